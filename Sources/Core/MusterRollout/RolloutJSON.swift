import ByteCoding
import CanonicalJSON
import MusterModel

/// How a rollout is stored:
///
/// ```
/// {"id", "version", "strategy", "expires", "phase", "reason"?, "by"?, "approved", "revision", "clock", "failures",
///  "forgiven", "planned", "open_stages": [1, 3], "bakes_until"?, "cursor", "said_only_skipped",
///  "nodes": [{"id", "state", "since", "stage"?, "reason"?, "handed"?, "answered"?, "assigned"?, "failed"?,
///             "obstacle"?}, …]}
/// ```
/// Times are milliseconds; `answered`, `assigned` and `failed` are there when true. What is derived is not stored. Reading
/// refuses what no rollout can be, so that a damaged row is an error and never an assignment.
extension Rollout {
    /// The whole state.
    public var json: JSONValue {
        var object: JSONObject = [
            "id": JSONValue(id),
            "version": .string(version),
            "strategy": strategy.json,
            "expires": .integer(expires.milliseconds),
            "phase": .string(phase.name),
            "approved": .bool(isApproved),
            "revision": .integer(revision),
            "clock": .integer(clock.milliseconds),
            "failures": JSONValue(failures),
            "forgiven": JSONValue(forgiven),
            "planned": .bool(isPlanned),
            "open_stages": .array(openStages.map { JSONValue($0) }),
            "cursor": JSONValue(cursor),
            "said_only_skipped": .bool(saidOnlySkipped),
            "nodes": .array(nodes.map(\.json)),
        ]
        if !phase.reason.isEmpty { object["reason"] = .string(phase.reason) }
        if let by = phase.by { object["by"] = JSONValue(by) }
        if let bakesUntil { object["bakes_until"] = .integer(bakesUntil.milliseconds) }
        return .object(object)
    }

    /// Reads a stored rollout.
    public init(_ fields: JSONFields) throws(JSONError) {
        self.init(
            id: try fields.name("id"),
            version: try fields.string("version", limit: 256),
            strategy: try RolloutStrategy(try fields.fields("strategy")),
            expires: try fields.milliseconds("expires"),
            isApproved: try fields.bool("approved")
        )
        phase = try Phase(fields)
        revision = try fields.integer("revision", in: 1...(1 << 53))
        clock = try fields.milliseconds("clock")
        failures = Int(try fields.integer("failures", in: 0...Int64(Self.nodeLimit)))
        forgiven = Int(try fields.integer("forgiven", in: 0...Int64(failures)))
        isPlanned = try fields.bool("planned")
        saidOnlySkipped = try fields.bool("said_only_skipped")
        bakesUntil = try fields.optional("bakes_until") { fields, key throws(JSONError) in try fields.milliseconds(key)
        }
        try readStages(fields)
        try readNodes(fields)
        cursor = Int(try fields.integer("cursor", in: 0...Int64(nodes.count)))
        derive()
    }

    private mutating func readStages(_ fields: JSONFields) throws(JSONError) {
        for (index, value) in try fields.array("open_stages", limit: strategy.stages.count).enumerated() {
            guard case .integer(let size) = value, (0...Int64(Self.nodeLimit)).contains(size) else {
                throw fields.error("open_stages[\(index)]", "is not a number of nodes")
            }
            openStages.append(Int(size))
        }
        stageCounts = openStages.map { _ in StateCounts() }
        if bakesUntil != nil, openStages.isEmpty { throw fields.error("bakes_until", "stands without an open stage") }
    }

    private mutating func readNodes(_ fields: JSONFields) throws(JSONError) {
        for entry in try fields.objects("nodes", limit: Self.nodeLimit) {
            let node = try RolloutNode(entry, stages: openStages.count)
            guard indices.updateValue(nodes.count, forKey: node.id) == nil else {
                throw entry.error("id", "'\(node.id)' stands twice")
            }
            nodes.append(node)
        }
    }

    /// Rebuilds what is not stored.
    ///
    /// Deadlines are queued by time, as they were when they were set.
    private mutating func derive() {
        var assigned: [Int] = []
        for (index, node) in nodes.enumerated() {
            count(node, 1)
            if node.state == .waiting, index < cursor { ready.insert(index) }
            if node.state.isAssigned { assigned.append(index) }
        }
        assigned.sort { (nodes[$0].since, $0) < (nodes[$1].since, $1) }
        for index in assigned { enqueueDeadline(index) }
        guard phase == .running else { return }
        let withdrawn = nodes.indices.filter { nodes[$0].state == .withdrawn }
        for index in withdrawn.sorted(by: { (nodes[$0].since, $0) < (nodes[$1].since, $1) }) {
            silentDeadlines.append(DeadlineQueue.Entry(index: index, since: nodes[index].since))
        }
    }
}

extension Rollout.Phase {
    fileprivate init(_ fields: JSONFields) throws(JSONError) {
        func reason() throws(JSONError) -> String { try fields.string("reason", limit: Rollout.reasonLimit) }
        switch try fields.string("phase", limit: 32) {
        case "waiting-for-approval": self = .awaitingApproval
        case "running": self = .running
        case "halted":
            let by: OperatorName? = try fields.optional("by") { fields, key throws(JSONError) in try fields.name(key) }
            self = .halted(reason: fields.has("reason") ? try reason() : "", by: by)
        case "complete": self = .completed
        case "cancelled":
            self = .cancelled(reason: fields.has("reason") ? try reason() : "", by: try fields.name("by"))
        case "expired": self = .expired(reason: try reason())
        case let name: throw fields.error("phase", "unknown phase '\(name)'")
        }
    }
}

extension RolloutNode {
    /// The node's part as it is stored, and as it can be shown.
    public var json: JSONValue {
        var object: JSONObject = [
            "id": JSONValue(id), "state": .string(state.rawValue), "since": .integer(since.milliseconds),
        ]
        if let stage { object["stage"] = JSONValue(stage) }
        if !reason.isEmpty { object["reason"] = .string(reason) }
        if let handedAt { object["handed"] = .integer(handedAt.milliseconds) }
        if hasAnswered { object["answered"] = true }
        if wasAssigned { object["assigned"] = true }
        if hasFailed { object["failed"] = true }
        if let obstacle { object["obstacle"] = .string(obstacle) }
        return .object(object)
    }

    fileprivate init(_ fields: JSONFields, stages: Int) throws(JSONError) {
        let name = try fields.string("state", limit: 32)
        guard let state = State(rawValue: name) else { throw fields.error("state", "unknown state '\(name)'") }
        self.init(
            id: try fields.name("id"),
            state: state,
            since: try fields.milliseconds("since"),
            reason: fields.has("reason") ? try fields.string("reason", limit: Rollout.reasonLimit) : ""
        )
        if fields.has("stage") { stage = Int(try fields.integer("stage", in: 0...Int64(max(0, stages - 1)))) }
        guard stage == nil || stages > 0 else { throw fields.error("stage", "stands without an open stage") }
        handedAt = try fields.optional("handed") { fields, key throws(JSONError) in try fields.milliseconds(key) }
        hasAnswered = fields.has("answered") ? try fields.bool("answered") : false
        wasAssigned = fields.has("assigned") ? try fields.bool("assigned") : false
        hasFailed = fields.has("failed") ? try fields.bool("failed") : false
        if fields.has("obstacle") { obstacle = try fields.string("obstacle", limit: Rollout.reasonLimit) }
    }
}
