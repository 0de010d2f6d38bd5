/// A command, as the login shell of the account is to read it, and its bounds.
public struct RemoteCommand: Sendable {
    /// The command; a certificate with a `force-command` runs that instead.
    public var line: String
    /// What it reads; the input ends after it, unless `stopInput` is set.
    public var input: [UInt8]
    /// What is sent as input to make it stop when its caller is cancelled; the input stays open for it.
    ///
    /// sshd takes no signals for a forced command, so the command itself has to watch its input.
    public var stopInput: [UInt8]?
    /// How long it may take, from the request to the end.
    public var timeout: Duration
    /// How long to wait for its end once it was told to stop.
    public var grace: Duration
    /// Most bytes of output that are handed on, both streams together; what comes after them is read and dropped.
    public var outputLimit: Int

    /// A command of these parts.
    public init(
        _ line: String,
        input: [UInt8] = [],
        stopInput: [UInt8]? = nil,
        timeout: Duration = .seconds(60),
        grace: Duration = .seconds(7),
        outputLimit: Int = 1 << 20
    ) {
        self.line = line
        self.input = input
        self.stopInput = stopInput
        self.timeout = timeout
        self.grace = grace
        self.outputLimit = outputLimit
    }
}

/// A piece of a command's output, in the order in which the server sent it.
public struct RemoteOutput: Sendable, Equatable {
    /// Which stream.
    public enum Stream: Sendable {
        case output
        case error
    }

    /// Which stream.
    public let stream: Stream
    /// The bytes.
    public let bytes: [UInt8]

    /// A piece of output.
    public init(_ stream: Stream, _ bytes: [UInt8]) {
        self.stream = stream
        self.bytes = bytes
    }
}

/// How a command ended, once the server was asked to run it.
public struct RemoteOutcome: Sendable, Equatable {
    /// How its process ended.
    public enum Status: Sendable, Equatable {
        case exited(Int32)
        /// The signal's name, without `SIG`.
        case signalled(String)
    }

    /// Why nobody waited any longer, or why it was told to stop.
    public enum Stop: Sendable, Equatable {
        case timeout
        case cancelled
        /// The connection broke, for this reason: whether the command goes on is not known.
        case disconnected(String)
    }

    /// How the process ended; nil where its end was not seen.
    public var status: Status?
    /// Why it was given up; nil where it ended by itself.
    public var stop: Stop?
    /// Bytes of output that were handed on.
    public var outputBytes: Int
    /// Bytes of output that were dropped, because there were too many.
    public var droppedBytes: Int
}
