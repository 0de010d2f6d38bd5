import CanonicalJSON

/// How a rollout spreads: in which stages, how fast, and when it stops by itself.
///
/// Part of the signed statement, so an
/// approver sees it and the service cannot claim another.
///
/// ```
/// {"stages": [{"count": 1}, {"percent": 100}], "bake_seconds": 300, "max_in_flight": 10, "max_failures": 0,
///  "start_deadline_seconds": 3600, "finish_deadline_seconds": 900, "max_failure_percent"?: 5,
///  "groups"?: [{"name": "test", "nodes": ["tag:test"]}, …], "safety_in_flight"?: 1, "tag_in_flight"?: {"db": 1},
///  "metrics"?: [{"name": "p99", "worse": "higher", "percent": 20, "least": 5}]}
/// ```
/// When nodes may be changed at all is none of it: that is for the policy to say.
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
    /// More failures than `maxFailures` are borne as long as they are at most so many percent of the nodes that are done;
    /// nil to bear no more.
    public var maxFailurePercent: Int?
    /// Seconds after its assignment by which a node must have begun to install.
    ///
    /// One that was not heard of since no longer holds up its stage (as soon as no manifest it may hold is good any more)
    /// and is assigned again when it is seen; one that was, and has the assignment, counts as failed.
    public var startDeadlineSeconds: Int
    /// Seconds after it has begun by which a node must have confirmed, or it counts as failed (lost contact).
    public var finishDeadlineSeconds: Int
    /// The nodes in groups that have their turns one after the other; empty for one group of everyone.
    ///
    /// Nodes that none of them names form the safety group, which is last.
    public var groups: [Group]
    /// Most nodes of the safety group that may be upgrading at one moment.
    public var safetyInFlight: Int
    /// Most nodes with a tag that may be upgrading at one moment, for tags of which it matters.
    public var tagInFlight: [Tag: Int]
    /// Figures by which the rollout halts when they become worse.
    public var metrics: [Metric]

    /// A strategy; the defaults suit a home lab of some dozen nodes.
    public init(
        stages: [Stage] = [.count(1), .percent(25), .percent(100)],
        bakeSeconds: Int = 300,
        maxInFlight: Int = 10,
        maxFailures: Int = 0,
        startDeadlineSeconds: Int = 3600,
        finishDeadlineSeconds: Int = 900,
        maxFailurePercent: Int? = nil,
        groups: [Group] = [],
        safetyInFlight: Int = 1,
        tagInFlight: [Tag: Int] = [:],
        metrics: [Metric] = []
    ) {
        self.stages = stages
        self.bakeSeconds = bakeSeconds
        self.maxInFlight = maxInFlight
        self.maxFailures = maxFailures
        self.startDeadlineSeconds = startDeadlineSeconds
        self.finishDeadlineSeconds = finishDeadlineSeconds
        self.maxFailurePercent = maxFailurePercent
        self.groups = groups
        self.safetyInFlight = safetyInFlight
        self.tagInFlight = tagInFlight
        self.metrics = metrics
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
        maxFailurePercent = try fields.optional("max_failure_percent") { fields, key throws(JSONError) in
            Int(try fields.integer(key, in: 0...100))
        }
        groups = []
        if fields.has("groups") {
            for group in try fields.objects("groups", limit: Self.groupLimit) { groups.append(try Group(group)) }
        }
        safetyInFlight =
            fields.has("safety_in_flight") ? Int(try fields.integer("safety_in_flight", in: 1...1_000_000)) : 1
        tagInFlight = fields.has("tag_in_flight") ? try Self.tagLimits(fields, "tag_in_flight") : [:]
        metrics = []
        if fields.has("metrics") {
            for metric in try fields.objects("metrics", limit: Self.metricLimit) { metrics.append(try Metric(metric)) }
        }
        try checkNames(fields)
    }

    private func checkNames(_ fields: JSONFields) throws(JSONError) {
        guard Set(groups.map(\.name)).count == groups.count else {
            throw fields.error("groups", "two have one name")
        }
        guard Set(metrics.map(\.name)).count == metrics.count else {
            throw fields.error("metrics", "two have one name")
        }
    }

    /// The strategy as it is signed.
    public var json: JSONValue {
        var object: JSONObject = [
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
        if let maxFailurePercent { object["max_failure_percent"] = JSONValue(maxFailurePercent) }
        if !groups.isEmpty { object["groups"] = .array(groups.map(\.json)) }
        if safetyInFlight != 1 { object["safety_in_flight"] = JSONValue(safetyInFlight) }
        if !tagInFlight.isEmpty { object["tag_in_flight"] = tagInFlight.json }
        if !metrics.isEmpty { object["metrics"] = .array(metrics.map(\.json)) }
        return .object(object)
    }
}
