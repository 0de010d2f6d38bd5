/// How many runs go on, how long they are kept, and how patient their delivery is.
public struct RunLimits: Sendable {
    /// Most processes at once.
    public var atOnce = 4
    /// Most runs that are kept once the service has their outcome.
    public var kept = 100
    /// Seconds that such a run is kept.
    public var keptSeconds: Int64 = 86400
    /// Seconds past its statement's end after which nothing of a run is remembered.
    public var rememberedSeconds: Int64 = 2 * 86400
    /// Most runs of which anything is kept.
    public var records = 4096
    /// Most answers that wait in memory: about runs of which nothing is kept.
    public var answers = 128
    /// Most runs at once that the service is told of.
    public var deliveries = 16
    /// Least milliseconds between two updates of one run while little comes.
    public var pace: Int64 = 250
    /// Most bytes of output in one update.
    public var piece = 65536
    /// Milliseconds between two looks at what a process has written, and whether it has ended.
    public var tick: Int64 = 50
    /// Between attempts to reach the service.
    public var retry = Backoff.Policy(attempts: nil, first: 500, longest: 30000)

    /// The limits for use.
    public init() {}
}
