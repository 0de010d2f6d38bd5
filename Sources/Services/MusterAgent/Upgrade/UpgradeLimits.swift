import MusterModel

/// How patient an upgrade is.
///
/// The way back begins at once when a check fails or a time is over, and needs nobody: the package file is on the disk, and so
/// is the room for it. One run of the package manager has half an hour (`InstallLimits`), and takes seconds; where it
/// fails, it is tried again for ever, after five minutes at the latest.
public struct UpgradeLimits: Sendable {
    /// Before the installation: fetching, asking, waiting for another user of the package manager.
    public var retry = Backoff.Policy(attempts: 12, first: 1000, longest: 300_000)
    /// Putting the previous version back: for ever.
    public var putBack = Backoff.Policy(attempts: nil, first: 1000, longest: 300_000)
    /// Seconds within which the service must be reached after the health checks.
    public var confirmSeconds: Int64 = 120
    /// Seconds within which a second node must have reached this one after the health checks; nil where none need.
    public var secondNodeSeconds: Int64?
    /// Milliseconds between attempts to reach it.
    public var confirmPause: Int64 = 2000
    /// Seconds that the service may hold a question for a newer manifest while an upgrade has not begun.
    public var manifestWait = 55
    /// Milliseconds before the first such question and between two: most downloads are over sooner.
    public var manifestPause: Int64 = 1000
    /// Seconds that a report may take which nothing depends on.
    public var courtesySeconds: Int64 = 5

    /// Longest wait between two looks at whether an hour has come.
    public var holdPause: Int64 = 60000

    /// The limits for use.
    public init() {}

    /// Seconds from the end of an installation after which the new version has proved itself or is on its way out, as long as
    /// the agent runs: every attempt of every check takes its longest, then the service and the second node, side by side.
    ///
    /// Whoever cuts the power in between begins this time anew, `UpgradeJournal.attempts` times at most.
    public func proofSeconds(_ checks: [HealthCheck]) -> Int64 {
        // A second between two attempts, and one of grace for each command that must be ended; units are asked twice, with
        // a second in between.
        let longest = checks.map { check in
            let more: Int64 = if case .unit = check.probe { 4 } else { 3 }
            return Int64(check.attempts) * (Int64(check.timeoutSeconds) * 2 + more)
        }
        return longest.reduce(0, +) + max(confirmSeconds, secondNodeSeconds ?? 0) + courtesySeconds
    }
}
