/// How patient an upgrade is.
public struct UpgradeLimits: Sendable {
    /// Before the installation: fetching, asking, waiting for another user of the package manager.
    public var retry = Backoff.Policy(attempts: 12, first: 1000, longest: 300_000)
    /// Putting the previous version back: for ever.
    public var putBack = Backoff.Policy(attempts: nil, first: 1000, longest: 300_000)
    /// Seconds within which the service must be reached after the health checks.
    public var confirmSeconds: Int64 = 120
    /// Milliseconds between attempts to reach it.
    public var confirmPause: Int64 = 2000
    /// Seconds that the service may hold a question for a newer manifest while an upgrade has not begun.
    public var manifestWait = 55
    /// Milliseconds before the first such question and between two: most downloads are over sooner.
    public var manifestPause: Int64 = 1000
    /// Seconds that a report may take which nothing depends on.
    public var courtesySeconds: Int64 = 5

    /// The limits for use.
    public init() {}
}
