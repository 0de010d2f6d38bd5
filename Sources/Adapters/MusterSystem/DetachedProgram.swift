import CLinux
import Glibc
import Synchronization

/// A program that goes on when we end: it leads a session of its own, and no pipe joins it to us.
///
/// What it reads and what it complains of are files in memory, so that neither side ever waits for the other.
public final class DetachedProgram: Sendable {
    /// Most bytes of complaints that are looked at.
    private static let complaintLimit = 4096

    /// Its process id.
    public let id: Int32
    private let name: String
    private let errors: OpenFile
    private let isReaped = Mutex(false)

    /// Starts the program; `input` is all that is on its standard input, and its output goes nowhere.
    ///
    /// The bytes of `input` can be wiped as soon as this returns.
    public init(
        _ executable: String,
        _ arguments: [String],
        input: UnsafeRawBufferPointer,
        environment: [String: String] = Command.plainEnvironment
    ) throws(SystemError) {
        let source = try Self.memoryFile()
        try source.write(input)
        guard lseek(source.descriptor, 0, SEEK_SET) == 0 else { throw SystemError("rewind", "memory", errno: errno) }
        errors = try Self.memoryFile()
        name = executable
        let nothing = try OpenFile("/dev/null", flags: O_WRONLY)
        let descriptors = [source.descriptor, nothing.descriptor, errors.descriptor]
        var process: pid_t = 0
        let code = withCStrings([executable] + arguments) { arguments in
            withCStrings(environment.map { "\($0.key)=\($0.value)" }.sorted()) { environment in
                clinux_spawn_session(&process, executable, arguments, environment, "/", descriptors, descriptors.count)
            }
        }
        guard code == 0 else { throw SystemError("start", executable, errno: code) }
        id = process
    }

    /// Whether it has ended; then it is reaped.
    public func hasEnded() -> Bool {
        isReaped.withLock { isReaped in
            // Asked once only: its number may be another child's by the next time.
            if !isReaped { isReaped = retrying { waitpid(id, nil, WNOHANG) } != 0 }
            return isReaped
        }
    }

    /// The first line of what it complained of; empty where it did not.
    public var complaint: String {
        var bytes = [UInt8](repeating: 0, count: Self.complaintLimit)
        let count = bytes.withUnsafeMutableBytes { pread(errors.descriptor, $0.baseAddress, $0.count, 0) }
        let line = bytes.prefix(max(0, count)).prefix { $0 != UInt8(ascii: "\n") }
        return String(decoding: line, as: UTF8.self)
    }

    private static func memoryFile() throws(SystemError) -> OpenFile {
        let descriptor = clinux_memory_file()
        guard descriptor >= 0 else { throw SystemError("make", "a file in memory", errno: errno) }
        return OpenFile(descriptor: descriptor, path: "memory")
    }
}
