import CLinux
import Glibc

/// What a program does that looks after everything its child starts, however it forks.
public enum Subreaper {
    /// From now on every orphan among our descendants becomes our child.
    public static func begin() throws(SystemError) {
        guard clinux_become_subreaper() == 0 else { throw SystemError("look after", "orphans", errno: errno) }
    }

    /// Lets nobody but root look into our memory, and keeps it out of core dumps.
    public static func hideMemory() {
        _ = clinux_become_unreadable()
    }

    /// Reaps the children that have ended, but for `kept`, whose id must stay its own.
    public static func reap(except kept: Int32) {
        while true {
            let ended = clinux_ended_child()
            if ended <= 0 || ended == kept { return }
            while waitpid(ended, nil, 0) == -1, errno == EINTR {}
        }
    }
}

/// Signals that are read like a file instead of interrupting the program.
public struct SignalQueue: Sendable {
    /// Readable when a signal is there.
    public let file: OpenFile

    /// From now on these signals come through here; for programs with one thread.
    public init(_ signals: [Int32]) throws(SystemError) {
        let descriptor = clinux_signal_descriptor(signals, signals.count)
        guard descriptor >= 0 else { throw SystemError("listen for", "signals", errno: errno) }
        file = OpenFile(descriptor: descriptor, path: "signals")
    }

    /// The next signal; nil where none waits.
    public func next() -> Int32? {
        let number = clinux_next_signal(file.descriptor)
        return number == 0 ? nil : number
    }
}
