/// How a program ended and what it wrote.
public struct CommandResult: Equatable, Sendable {
    /// How a process ends.
    public enum Ending: Equatable, Sendable {
        /// By `exit` with this code.
        case exited(Int32)
        /// By this signal.
        case signalled(Int32)
    }

    /// How it ended.
    public let ending: Ending
    /// The last bytes of its standard output, at most the limit.
    public let output: [UInt8]
    /// The last bytes of its standard error, at most the limit.
    public let errorOutput: [UInt8]
    /// Whether it was ended because its time was over.
    public let timedOut: Bool
    /// Whether earlier output was dropped because it exceeded the limit.
    public let truncated: Bool

    /// What a program left behind.
    public init(
        ending: Ending,
        output: [UInt8] = [],
        errorOutput: [UInt8] = [],
        timedOut: Bool = false,
        truncated: Bool = false
    ) {
        self.ending = ending
        self.output = output
        self.errorOutput = errorOutput
        self.timedOut = timedOut
        self.truncated = truncated
    }

    /// Whether it exited with code 0 in time.
    public var succeeded: Bool { ending == .exited(0) && !timedOut }

    /// Standard output as text.
    public var outputText: String { String(decoding: output, as: UTF8.self) }

    /// Standard error as text.
    public var errorText: String { String(decoding: errorOutput, as: UTF8.self) }

    /// `exited with code 1`, `was ended by signal 9`, `did not end in time`.
    public var endingText: String {
        if timedOut { return "did not end in time" }
        return switch ending {
        case .exited(let code): "exited with code \(code)"
        case .signalled(let signal): "was ended by signal \(signal)"
        }
    }
}
