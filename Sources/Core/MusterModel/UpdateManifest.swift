import ByteCoding
import CanonicalJSON

/// What the service tells one node now.
///
/// It allows nothing by itself: each assignment carries the statement that does.
///
/// ```
/// {"_type": "update-manifest", "assignments": [{"action": "upgrade", "rollout": "…", "statement": {…}, "target": "…"}],
///  "expires": "…Z", "fleet": "…", "issued": "…Z", "node": "…", "runs": [{"run": "…", "statement": {…}}], "sequence": 7, "tags": [],
///  "timestamp_version": 12}
/// ```
/// Sent in the TUF envelope, signed by the `manifest` role that the top-level targets metadata names.
public struct UpdateManifest: Hashable, Sendable {
    /// Its `_type`.
    public static let typeName = "update-manifest"
    /// Most bytes of a manifest's envelope.
    public static let byteLimit = 4_000_000
    /// Seconds a manifest is good for.
    public static let lifetime: Int64 = 900

    /// One package change that this node shall make.
    public struct Assignment: Hashable, Sendable {
        /// The rollout, which is also the id of the statement.
        public let rollout: RolloutID
        /// The TUF target path to install; must be one of the statement's.
        public let target: String
        /// The whole statement with its signatures.
        public let statement: SignedStatement

        /// An assignment.
        public init(rollout: RolloutID, target: String, statement: SignedStatement) {
            self.rollout = rollout
            self.target = target
            self.statement = statement
        }

        init(_ fields: JSONFields) throws(JSONError) {
            rollout = try fields.name("rollout")
            target = try fields.string("target", limit: 1024)
            statement = try SignedStatement(try fields.fields("statement"))
        }

        var json: JSONValue {
            [
                "rollout": JSONValue(rollout), "action": .string(statement.statement.type.rawValue),
                "target": .string(target), "statement": statement.json,
            ]
        }
    }

    /// One approved command that this node shall run.
    public struct Run: Hashable, Sendable {
        /// The run, which is also the id of the statement.
        public let run: RunID
        /// The whole statement with its signatures.
        public let statement: SignedStatement

        /// A run.
        public init(run: RunID, statement: SignedStatement) {
            self.run = run
            self.statement = statement
        }

        init(_ fields: JSONFields) throws(JSONError) {
            run = try fields.name("run")
            statement = try SignedStatement(try fields.fields("statement"))
        }

        var json: JSONValue { ["run": JSONValue(run), "statement": statement.json] }
    }

    /// Most runs of one manifest.
    public static let runLimit = 64
    /// Most cancelled runs that one manifest names.
    public static let cancelledLimit = 256
    /// The highest sequence: no service comes near it, and a question for what is behind it is one that a service answers.
    public static let sequenceLimit = Int64.max / 2

    /// The fleet.
    public let fleet: FleetID
    /// The one node it is for.
    public let node: NodeID
    /// Strictly rising for each node.
    public let sequence: Int64
    /// When it was signed.
    public let issued: UTCTime
    /// When it stops being valid.
    public let expires: UTCTime
    /// The TUF timestamp version that the node must have reached before it acts.
    public let timestampVersion: Int64
    /// Package changes to make.
    public let assignments: [Assignment]
    /// `tag-node` statements that name this node, oldest first.
    public let tags: [SignedStatement]
    /// Approved commands to run.
    public let runs: [Run]
    /// Runs that shall not start any more, and end where they have.
    public let cancelled: [RunID]
    /// Nodes that want to be reached by this one; a reader that does not know of it leaves it out.
    public let reach: [ReachTask]

    /// A manifest of these parts.
    public init(
        fleet: FleetID,
        node: NodeID,
        sequence: Int64,
        issued: UTCTime,
        expires: UTCTime,
        timestampVersion: Int64,
        assignments: [Assignment],
        tags: [SignedStatement],
        runs: [Run] = [],
        cancelled: [RunID] = [],
        reach: [ReachTask] = []
    ) {
        self.fleet = fleet
        self.node = node
        self.sequence = sequence
        self.issued = issued.wholeSeconds
        self.expires = expires.wholeSeconds
        self.timestampVersion = timestampVersion
        self.assignments = assignments
        self.tags = tags
        self.runs = runs
        self.cancelled = cancelled
        self.reach = reach
    }

    /// Reads the `signed` object of a manifest whose signatures were verified.
    public init(_ fields: JSONFields) throws(JSONError) {
        guard try fields.string("_type", limit: 64) == Self.typeName else {
            throw fields.error("_type", "is not \(Self.typeName)")
        }
        fleet = try fields.name("fleet")
        node = try fields.name("node")
        sequence = try fields.integer("sequence", in: 1...Self.sequenceLimit)
        issued = try fields.time("issued")
        expires = try fields.time("expires")
        timestampVersion = try fields.integer("timestamp_version", in: 1...Int64.max)
        assignments = try fields.objects("assignments", limit: 64).map { assignment throws(JSONError) in
            try Assignment(assignment)
        }
        tags = try fields.objects("tags", limit: 16).map { tag throws(JSONError) in try SignedStatement(tag) }
        runs =
            fields.has("runs")
            ? try fields.objects("runs", limit: Self.runLimit).map { run throws(JSONError) in try Run(run) } : []
        cancelled = fields.has("cancelled") ? try fields.names("cancelled", limit: Self.cancelledLimit) : []
        reach =
            fields.has("reach")
            ? try fields.objects("reach", limit: ReachTask.limit).map { task throws(JSONError) in try ReachTask(task) }
            : []
    }

    /// The object that is signed.
    public var json: JSONValue {
        var object: JSONObject = [
            "_type": .string(Self.typeName),
            "fleet": JSONValue(fleet),
            "node": JSONValue(node),
            "sequence": .integer(sequence),
            "issued": JSONValue(issued),
            "expires": JSONValue(expires),
            "timestamp_version": .integer(timestampVersion),
            "assignments": .array(assignments.map(\.json)),
            "tags": .array(tags.map(\.json)),
            "runs": .array(runs.map(\.json)),
        ]
        if !cancelled.isEmpty { object["cancelled"] = JSONValue(cancelled) }
        if !reach.isEmpty { object["reach"] = .array(reach.map(\.json)) }
        return .object(object)
    }
}
