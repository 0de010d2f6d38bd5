import Glibc
import MusterAPI
import MusterSystem

/// The supervisor's ends of a process's standard streams.
struct SupervisedStreams {
    /// One stream that is read.
    private struct Source {
        let stream: RunStream
        var file: OpenFile?
        var mask: SecretMask
    }

    /// What the process wrote.
    private(set) var log: OutputLog
    private var sources: [Source]
    private var input: OpenFile?
    private var pending: ArraySlice<UInt8>
    private let began: Int64

    init(
        output: OpenFile,
        errors: OpenFile,
        input: OpenFile?,
        pending: [UInt8],
        secrets: [[UInt8]],
        log: OutputLog
    ) {
        self.log = log
        sources = [
            Source(stream: .output, file: output, mask: SecretMask(secrets)),
            Source(stream: .errors, file: errors, mask: SecretMask(secrets)),
        ]
        self.input = input
        self.pending = pending[...]
        began = MonotonicClock.milliseconds()
    }

    /// Waits for any of the files or streams, and moves what can be moved.
    mutating func wait(for others: [OpenFile], milliseconds: Int64) {
        var entries = others.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
        for source in sources {
            entries.append(pollfd(fd: source.file?.descriptor ?? -1, events: Int16(POLLIN), revents: 0))
        }
        entries.append(pollfd(fd: input?.descriptor ?? -1, events: Int16(POLLOUT), revents: 0))
        guard poll(&entries, nfds_t(entries.count), Int32(clamping: max(0, milliseconds))) > 0 else { return }
        for index in sources.indices where entries[others.count + index].revents != 0 { _ = receive(index, 65536) }
        if entries[others.count + sources.count].revents != 0 { send() }
    }

    /// Takes what lies in the pipes now, and no more: a daemon may keep them open and write for ever.
    mutating func drain() {
        input = nil
        for index in sources.indices {
            guard let file = sources[index].file else { continue }
            var waiting: Int32 = 0
            guard ioctl(file.descriptor, UInt(FIONREAD), &waiting) == 0 else { continue }
            var left = Int(waiting)
            while left > 0 {
                let count = receive(index, left)
                if count <= 0 { break }
                left -= count
            }
        }
        for index in sources.indices {
            log.append(sources[index].mask.finish(), sources[index].stream, at: elapsed)
            sources[index].file = nil
        }
        log.sync()
    }

    /// Milliseconds since the start.
    var elapsed: Int64 { MonotonicClock.milliseconds() - began }

    private mutating func receive(_ index: Int, _ limit: Int) -> Int {
        guard let file = sources[index].file else { return 0 }
        var bytes = [UInt8](repeating: 0, count: min(limit, 65536))
        let count = bytes.withUnsafeMutableBytes { read(file.descriptor, $0.baseAddress, $0.count) }
        if count > 0 {
            if log.isFull {
                log.drop()
            } else {
                log.append(sources[index].mask.take(bytes[..<count]), sources[index].stream, at: elapsed)
            }
        } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
            if !log.isFull { log.append(sources[index].mask.finish(), sources[index].stream, at: elapsed) }
            sources[index].file = nil
        }
        return count
    }

    private mutating func send() {
        guard let file = input else { return }
        let count = pending.withUnsafeBytes { write(file.descriptor, $0.baseAddress, min($0.count, 65536)) }
        if count > 0 { pending = pending.dropFirst(count) }
        // A process that does not want its input has closed the pipe: that is its own affair.
        if pending.isEmpty || (count < 0 && errno != EAGAIN && errno != EINTR) { input = nil }
    }
}
