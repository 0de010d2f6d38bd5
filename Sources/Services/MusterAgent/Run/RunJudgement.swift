import ByteCoding
import MusterKeys
import MusterModel
import MusterTrust

/// What the fleet's authority thinks of a run.
public enum RunJudgement: Sendable {
    /// It may begin now.
    case allowed(VerifiedRun)
    /// It may begin, but not before then.
    case notYet(UTCTime)
    /// It must not be carried out, and why.
    case refused(String)
    /// Nothing can be said now, and why.
    case unavailable(String)
}

/// What the fleet's authority thinks of a run before anything of it is kept.
public enum RunScreening: Sendable {
    /// An operator signed it for this node; whether it is allowed is judged when it is due.
    case fit
    /// It is nothing to keep, and why.
    case refused(String)
    /// Nothing can be said now, and why.
    case unavailable(String)
}

/// Why a run that is allowed cannot be carried out here, as one clause; nothing was used up yet.
struct RunObstacle: Error {
    let reason: String
}

/// Opens the secrets of runs with the node's keys.
public typealias SecretOpener = @Sendable (_ sealed: [UInt8], _ purpose: SealedSecret.Purpose) -> SecretBytes?
