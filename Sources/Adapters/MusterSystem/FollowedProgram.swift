import CLinux
import Glibc

/// A program whose output is read while it runs, such as `journalctl -f`; it ends with this object.
public final class FollowedProgram: Sendable {
    /// How often a reader looks whether it is still wanted, in milliseconds.
    private static let tick: Int32 = 1000

    private let process: pid_t
    private let end: OpenFile
    private let output: OpenFile

    /// Starts the program with nothing on its standard input and its errors thrown away.
    public init(_ executable: String, _ arguments: [String]) throws(SystemError) {
        let pipe = try Pipe()
        let nothing = try OpenFile("/dev/null", flags: O_RDWR)
        let descriptors = [nothing.descriptor, pipe.writeEnd.descriptor, nothing.descriptor]
        let environment = Command.plainEnvironment.map { "\($0.key)=\($0.value)" }.sorted()
        var process: pid_t = 0
        let code = withCStrings([executable] + arguments) { arguments in
            withCStrings(environment) { environment in
                clinux_spawn(&process, executable, arguments, environment, "/", descriptors, descriptors.count, 1)
            }
        }
        guard code == 0 else { throw SystemError("start", executable, errno: code) }
        let watched = clinux_pidfd_open(process)
        guard watched >= 0 else {
            let error = SystemError("watch", executable, errno: errno)
            kill(-process, SIGKILL)
            waitpid(process, nil, 0)
            throw error
        }
        self.process = process
        end = OpenFile(descriptor: watched, path: executable)
        output = pipe.keepReadEnd()
    }

    deinit {
        kill(-process, SIGKILL)
        while waitpid(process, nil, 0) == -1, errno == EINTR {}
    }

    /// The next bytes of its output; nil once it has ended, or the task is cancelled.
    public func next() async -> [UInt8]? {
        while !Task.isCancelled {
            let piece = await DedicatedThread.run { self.wait() }
            switch piece {
            case .bytes(let bytes): return bytes
            case .ended: return nil
            case .nothing: continue
            }
        }
        return nil
    }

    private enum Piece: Sendable {
        case bytes([UInt8])
        case nothing
        case ended
    }

    private func wait() -> Piece {
        var entries = [
            pollfd(fd: output.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: end.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&entries, nfds_t(entries.count), Self.tick) > 0 else { return .nothing }
        var bytes = [UInt8](repeating: 0, count: 65536)
        let count = retrying { read(output.descriptor, &bytes, bytes.count) }
        if count > 0 { return .bytes(Array(bytes[..<count])) }
        return count == 0 || entries[1].revents != 0 ? .ended : .nothing
    }
}
