import ByteCoding
import MusterModel

/// An assignment whose hour has not come: outside the windows of its rule, or in a freeze.
///
/// Nothing of it is on the disk but the assignment itself: it is judged anew each time.
public struct UpgradeHold: Hashable, Sendable {
    /// The rollout.
    public let rollout: RolloutID
    /// Its package.
    public let package: String
    /// Why it waits.
    public let reason: String
    /// When its hour comes.
    public let until: UTCTime
    /// Since when it waits.
    public let since: UTCTime

    init(_ assignment: UpdateManifest.Assignment, _ reason: String, until: UTCTime, since: UTCTime) {
        rollout = assignment.rollout
        package = assignment.statement.statement.body.packageChange?.package ?? ""
        self.reason = reason
        self.until = until
        self.since = since
    }

    /// As it is reported: it is on its way, and says why it gets no further.
    func progress(version: String) -> NodeProgress {
        NodeProgress(
            rollout: rollout,
            state: .downloading,
            version: version,
            reason: "waits until \(until.wholeSeconds): \(reason)".bounded(2048),
            at: since
        )
    }
}
