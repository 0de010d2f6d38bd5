import CanonicalJSON

/// How a rollout spreads: in which stages, how fast, and when it stops by itself.
///
/// Part of the signed statement, so an
/// approver sees it and the service cannot claim another.
public struct RolloutStrategy: Hashable, Sendable {
    /// How many nodes have the new version at most when a stage is complete.
    public enum Stage: Hashable, Sendable {
        /// So many nodes in all, 1 or more.
        case count(Int)
        /// So many percent of the selected nodes, 1 to 100, rounded up.
        case percent(Int)
    }

    /// The stages in order, 1 to 32; the last is always everyone, whether or not it says so.
    public var stages: [Stage]
    /// Seconds to wait after a stage is complete before the next one opens.
    public var bakeSeconds: Int
    /// Most nodes that may be upgrading at one moment.
    public var maxInFlight: Int
    /// The rollout halts when more nodes than this have failed.
    public var maxFailures: Int
    /// Seconds after its assignment by which a node must have begun to install.
    ///
    /// One that was not heard of since no longer holds up its stage (as soon as no manifest it may hold is good any more)
    /// and is assigned again when it is seen; one that was, and has the assignment, counts as failed.
    public var startDeadlineSeconds: Int
    /// Seconds after it has begun by which a node must have confirmed, or it counts as failed (lost contact).
    public var finishDeadlineSeconds: Int

    /// A strategy; the defaults suit a home lab of some dozen nodes.
    public init(
        stages: [Stage] = [.count(1), .percent(25), .percent(100)],
        bakeSeconds: Int = 300,
        maxInFlight: Int = 10,
        maxFailures: Int = 0,
        startDeadlineSeconds: Int = 3600,
        finishDeadlineSeconds: Int = 900
    ) {
        self.stages = stages
        self.bakeSeconds = bakeSeconds
        self.maxInFlight = maxInFlight
        self.maxFailures = maxFailures
        self.startDeadlineSeconds = startDeadlineSeconds
        self.finishDeadlineSeconds = finishDeadlineSeconds
    }

    /// Reads a strategy.
    public init(_ fields: JSONFields) throws(JSONError) {
        stages = []
        for stage in try fields.objects("stages", limit: 32) {
            if stage.has("count") {
                stages.append(.count(Int(try stage.integer("count", in: 1...1_000_000))))
            } else {
                stages.append(.percent(Int(try stage.integer("percent", in: 1...100))))
            }
        }
        guard !stages.isEmpty else { throw fields.error("stages", "is empty") }
        bakeSeconds = Int(try fields.integer("bake_seconds", in: 0...2_592_000))
        maxInFlight = Int(try fields.integer("max_in_flight", in: 1...1_000_000))
        maxFailures = Int(try fields.integer("max_failures", in: 0...1_000_000))
        startDeadlineSeconds = Int(try fields.integer("start_deadline_seconds", in: 1...2_592_000))
        finishDeadlineSeconds = Int(try fields.integer("finish_deadline_seconds", in: 1...2_592_000))
    }

    /// The strategy as it is signed.
    public var json: JSONValue {
        [
            "stages": .array(
                stages.map { stage in
                    switch stage {
                    case .count(let count): ["count": JSONValue(count)]
                    case .percent(let percent): ["percent": JSONValue(percent)]
                    }
                }
            ),
            "bake_seconds": JSONValue(bakeSeconds),
            "max_in_flight": JSONValue(maxInFlight),
            "max_failures": JSONValue(maxFailures),
            "start_deadline_seconds": JSONValue(startDeadlineSeconds),
            "finish_deadline_seconds": JSONValue(finishDeadlineSeconds),
        ]
    }
}
