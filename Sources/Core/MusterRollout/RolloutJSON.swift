import ByteCoding
import CanonicalJSON
import MusterModel

/// How a rollout is stored, the header and each node by itself:
///
/// ```
/// {"id", "version", "strategy", "expires", "phase", "reason"?, "by"?, "approved", "revision", "clock", "failures",
///  "forgiven", "planned", "open_stages": [1, 3], "bakes_until"?, "said_only_skipped", "sorted", "open_group"?,
///  "cohorts": [Cohort, …], "slots": {"rule 'nights'": Slot}, "fleet_limits": {"db": FleetLimit}, "skips_bake"?,
///  "said_hold"?, "panel": [0, 256]}
/// {"id", "state", "since", "stage"?, "reason"?, "handed"?, "answered"?, "assigned"?, "failed"?, "obstacle"?, "kept"?,
///  "cohort"?, "figures"?: [[120, 135], …]}
/// ```
/// Times are milliseconds; `answered`, `assigned`, `failed` and `kept` are there when true. What is derived is not stored.
/// Reading refuses what no rollout can be, so that a damaged row is an error and never an assignment. A header that also has
/// `"nodes": […]` is the whole state in one document, as it was stored once.
extension Rollout {
    /// The whole state.
    public var json: JSONValue {
        guard case .object(var object) = header else { return header }
        object["nodes"] = .array(nodes.map(\.json))
        return .object(object)
    }

    /// Everything but the nodes.
    var header: JSONValue {
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
            "said_only_skipped": .bool(saidOnlySkipped),
            "sorted": .bool(isSorted),
            "cohorts": .array(cohorts.map(\.json)),
            "slots": .object(JSONObject(slots.map { ($0.key, $0.value.json) })),
            "fleet_limits": .object(JSONObject(fleetLimits.map { ($0.key.text, $0.value.json) })),
            "panel": .array([JSONValue(panel.lowerBound), JSONValue(panel.upperBound)]),
        ]
        if !phase.reason.isEmpty { object["reason"] = .string(phase.reason) }
        if let by = phase.by { object["by"] = JSONValue(by) }
        if let bakesUntil { object["bakes_until"] = .integer(bakesUntil.milliseconds) }
        if openGroup > 0 { object["open_group"] = JSONValue(openGroup) }
        if skipsBake { object["skips_bake"] = true }
        if !saidHold.isEmpty { object["said_hold"] = .string(saidHold) }
        return .object(object)
    }

    /// Reads a rollout that is stored whole; every node counts as not yet written by itself.
    public init(_ fields: JSONFields) throws(JSONError) {
        try self.init(header: fields, nodes: try fields.objects("nodes", limit: Self.nodeLimit))
        nodes.markAll()
    }

    /// Reads a rollout that was written change by change: its last header, and the last of each node in order of place.
    ///
    /// `before` is what was remembered of each node, in the same order.
    public init(header fields: JSONFields, nodes: [JSONFields], before: [String] = []) throws(JSONError) {
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
        try readCohorts(fields)
        try readPolicy(fields)
        try readNodes(nodes, before, fields)
        derive()
    }

    private mutating func readCohorts(_ fields: JSONFields) throws(JSONError) {
        isSorted = fields.has("sorted") ? try fields.bool("sorted") : !openStages.isEmpty
        openGroup =
            fields.has("open_group") ? Int(try fields.integer("open_group", in: 0...Int64(strategy.groups.count))) : 0
        guard fields.has("cohorts") else { return }
        for (number, entry) in try fields.objects("cohorts", limit: Self.nodeLimit).enumerated() {
            let cohort = try Cohort(entry)
            guard cohort.group <= strategy.groups.count, self.number(cohort) == number else {
                throw fields.error("cohorts[\(number)]", "cannot stand here")
            }
        }
    }

    private mutating func readPolicy(_ fields: JSONFields) throws(JSONError) {
        skipsBake = fields.has("skips_bake") ? try fields.bool("skips_bake") : false
        saidHold = fields.has("said_hold") ? try fields.string("said_hold", limit: Self.reasonLimit) : ""
        if fields.has("slots") {
            let members = try fields.fields("slots")
            for hours in members.object.keys { slots[hours] = try Slot(try members.fields(hours)) }
        }
        if fields.has("fleet_limits") {
            let members = try fields.fields("fleet_limits")
            for name in members.object.keys {
                guard let tag = Tag(name) else { throw members.error(name, "is not \(Tag.form)") }
                fleetLimits[tag] = try FleetLimit(try members.fields(name))
            }
        }
        guard fields.has("panel") else { return }
        let bounds = try fields.array("panel", limit: 2)
        guard bounds.count == 2, case .integer(let first) = bounds[0], case .integer(let end) = bounds[1],
            first >= 0, end >= first, end <= Int64(Self.nodeLimit), end - first <= Int64(Self.sampleLimit)
        else { throw fields.error("panel", "is not a range of places") }
        panel = Int(first)..<Int(end)
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

    private mutating func readNodes(
        _ entries: [JSONFields],
        _ before: [String],
        _ fields: JSONFields
    ) throws(JSONError) {
        guard entries.count <= Self.nodeLimit else { throw fields.error("", "has more than \(Self.nodeLimit) nodes") }
        guard panel.upperBound <= entries.count else { throw fields.error("panel", "is beyond the nodes") }
        indices.reserveCapacity(entries.count)
        for (place, entry) in entries.enumerated() {
            var node = try RolloutNode(entry, stages: openStages.count, cohorts.count, strategy.metrics.count)
            if place < before.count { node.before = before[place] }
            guard indices.updateValue(nodes.count, forKey: node.id) == nil else {
                throw entry.error("id", "'\(node.id)' stands twice")
            }
            nodes.append(node)
        }
        _ = nodes.takeChanged()
    }

    /// Rebuilds what is not stored.
    ///
    /// Deadlines are queued by time, as they were when they were set.
    private mutating func derive() {
        for (index, node) in nodes.enumerated() {
            count(node, 1)
            enqueueTurn(index)
            if node.state.isInFlight { inFlight.insert(index) }
            if node.keepsPlace { kept.insert(index) }
            if node.state == .confirmed, !node.figures.isEmpty { sample.append(index) }
        }
        let byTime = inFlight.sorted { (nodes[$0].since, $0) < (nodes[$1].since, $1) }
        for index in byTime where nodes[index].state.isAssigned { enqueueDeadline(index) }
        guard phase == .running else { return }
        for index in byTime where nodes[index].state == .withdrawn {
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
        if keepsPlace { object["kept"] = true }
        if cohort > 0 { object["cohort"] = JSONValue(cohort) }
        if !figures.isEmpty { object["figures"] = .array(figures.map(\.json)) }
        return .object(object)
    }

    fileprivate init(_ fields: JSONFields, stages: Int, _ cohorts: Int, _ metrics: Int) throws(JSONError) {
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
        keepsPlace = fields.has("kept") ? try fields.bool("kept") : false
        if fields.has("cohort") { cohort = Int(try fields.integer("cohort", in: 0...Int64(cohorts - 1))) }
        guard fields.has("figures") else { return }
        for value in try fields.array("figures", limit: metrics) {
            guard let figure = Figure(value) else { throw fields.error("figures", "is not a list of pairs") }
            figures.append(figure)
        }
        guard figures.count == metrics else { throw fields.error("figures", "is not one pair for each metric") }
    }
}
