import ByteCoding
import MusterSystem

/// Why an upgrade stands still where it is, to be taken up again from its journal.
public enum UpgradeStop: Error, Sendable, CustomStringConvertible {
    /// The agent ends.
    case cancelled
    /// The journal could not be written.
    case storage(SystemError)

    /// Why.
    public var description: String {
        switch self {
        case .cancelled: "the agent ends"
        case .storage(let error): "\(error)"
        }
    }
}

/// What came of one attempt at a step.
enum StepResult: Sendable {
    /// The step is done: this happened.
    case done(UpgradeJournal.Event)
    /// A newer manifest took the assignment back; that is in the journal.
    case withdrawn
    /// Nothing was changed; it may work later.
    case retry(String)
    /// Nothing was changed, and only the hour stands against it: until then it waits, however long that is.
    case closed(String, until: UTCTime)
}
