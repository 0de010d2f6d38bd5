import CLinux
import Glibc

/// The last bytes of a stream.
struct Tail {
    private(set) var bytes: [UInt8] = []
    private(set) var dropped = false
    let limit: Int

    mutating func append(_ piece: ArraySlice<UInt8>) {
        bytes.append(contentsOf: piece)
        guard bytes.count > limit else { return }
        dropped = true
        bytes.removeFirst(bytes.count - limit)
    }
}

/// Our ends of a child's three standard streams.
struct Streams {
    private var input: OpenFile?
    private var output: OpenFile?
    private var errors: OpenFile?
    private var pending: ArraySlice<UInt8>
    private(set) var outputTail: Tail
    private(set) var errorTail: Tail

    init(input: OpenFile, output: OpenFile, errors: OpenFile, pending: ArraySlice<UInt8>, limit: Int) {
        self.input = pending.isEmpty ? nil : input
        self.output = output
        self.errors = errors
        self.pending = pending
        outputTail = Tail(limit: limit)
        errorTail = Tail(limit: limit)
    }

    /// Waits for any stream, moves what can be moved; true when the process itself has ended.
    mutating func poll(with process: Int32, milliseconds: Int64) -> Bool {
        var entries = [
            pollfd(fd: process, events: Int16(POLLIN), revents: 0),
            pollfd(fd: output?.descriptor ?? -1, events: Int16(POLLIN), revents: 0),
            pollfd(fd: errors?.descriptor ?? -1, events: Int16(POLLIN), revents: 0),
            pollfd(fd: input?.descriptor ?? -1, events: Int16(POLLOUT), revents: 0),
        ]
        guard Glibc.poll(&entries, nfds_t(entries.count), Int32(clamping: milliseconds)) > 0 else { return false }
        if entries[1].revents != 0 { Self.receive(&output, &outputTail) }
        if entries[2].revents != 0 { Self.receive(&errors, &errorTail) }
        if entries[3].revents != 0 { send() }
        return entries[0].revents != 0
    }

    /// Takes what is still in the pipes of a process that has ended, until both end or the time is over.
    mutating func drain(until time: Int64) {
        input = nil
        while output != nil || errors != nil {
            let left = time - MonotonicClock.milliseconds()
            guard left > 0 else { return }
            _ = poll(with: -1, milliseconds: left)
        }
    }

    private mutating func send() {
        guard let file = input else { return }
        let count = pending.withUnsafeBytes { buffer in
            retrying { clinux_write_quietly(file.descriptor, buffer.baseAddress, buffer.count) }
        }
        if count > 0 { pending = pending.dropFirst(count) }
        // A program that does not want its input has closed the pipe: its exit code says whether that matters.
        if pending.isEmpty || (count < 0 && errno != EAGAIN) { input = nil }
    }

    private static func receive(_ file: inout OpenFile?, _ tail: inout Tail) {
        guard let open = file else { return }
        var piece = [UInt8](repeating: 0, count: 65536)
        let count = piece.withUnsafeMutableBytes { buffer in
            retrying { read(open.descriptor, buffer.baseAddress, buffer.count) }
        }
        if count > 0 {
            tail.append(piece[..<count])
        } else if count == 0 || errno != EAGAIN {
            file = nil
        }
    }
}
