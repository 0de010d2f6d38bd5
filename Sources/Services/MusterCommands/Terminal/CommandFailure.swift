import ArgumentParser
import MusterClient
import MusterSystem

/// Why a command failed, in one line, and with which exit status.
public struct CommandFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// What a script learns from the exit status.
    public enum Status: Int32, Sendable {
        /// Refused, or it did not work.
        case failed = 1
        /// It was not understood, or it could not be found out.
        case undetermined = 2
    }

    /// What a script learns.
    public let status: Status
    /// What was tried, on what, why it failed and what to do.
    public let message: String

    /// A refusal.
    static func refused(_ message: String) -> CommandFailure { CommandFailure(status: .failed, message: message) }

    /// A question that could not be answered.
    static func undetermined(_ message: String) -> CommandFailure {
        CommandFailure(status: .undetermined, message: message)
    }

    /// A command line that makes no sense.
    static func usage(_ message: String) -> CommandFailure { undetermined(message) }

    /// The failure that any error stands for.
    init(_ error: any Error) {
        switch error {
        case let failure as CommandFailure: self = failure
        case ClientError.unreachable, ClientError.malformed:
            self.init(status: .undetermined, message: "\(error)")
        default: self.init(status: .failed, message: "\(error)")
        }
    }

    private init(status: Status, message: String) {
        self.status = status
        self.message = message
    }

    /// The message.
    public var description: String { message }
}
