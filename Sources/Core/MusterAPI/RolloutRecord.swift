import ByteCoding
import CanonicalJSON
import MusterModel

/// A rollout: an entry of `GET /v1/rollouts` (without nodes) and the answer of `GET /v1/rollouts/{id}`.
public struct RolloutRecord: Body {
    /// How far one stage is.
    public struct Stage: Hashable, Sendable {
        /// Nodes in the stage, those of earlier stages not counted.
        public let size: Int
        /// Nodes that confirmed the version.
        public let done: Int
        /// Nodes at work.
        public let inFlight: Int
        /// Nodes that failed, refused or put the previous version back.
        public let failed: Int
        /// Nodes that do not hold up the stage, since they have not been seen.
        public let skipped: Int
        /// `waiting`, `open`, `baking` or `complete`.
        public let state: String
        /// When the bake time ends, while `baking`.
        public let bakesUntil: UTCTime?

        /// A stage.
        public init(
            size: Int,
            done: Int,
            inFlight: Int,
            failed: Int,
            skipped: Int,
            state: String,
            bakesUntil: UTCTime?
        ) {
            self.size = size
            self.done = done
            self.inFlight = inFlight
            self.failed = failed
            self.skipped = skipped
            self.state = state
            self.bakesUntil = bakesUntil
        }

        /// Reads a stage.
        public init(_ fields: JSONFields) throws(JSONError) {
            func count(_ key: String) throws(JSONError) -> Int { Int(try fields.integer(key, in: 0...10_000_000)) }
            size = try count("size")
            done = try count("done")
            inFlight = try count("in_flight")
            failed = try count("failed")
            skipped = try count("skipped")
            state = try fields.string("state", limit: 32)
            bakesUntil = try fields.optional("bakes_until") { fields, key throws(JSONError) in
                try fields.milliseconds(key)
            }
        }

        /// The stage as it is sent.
        public var json: JSONValue {
            [
                "size": JSONValue(size), "done": JSONValue(done), "in_flight": JSONValue(inFlight),
                "failed": JSONValue(failed), "skipped": JSONValue(skipped), "state": .string(state),
                "bakes_until": bakesUntil.map { .integer($0.milliseconds) } ?? .null,
            ]
        }
    }

    /// How far one node is.
    public struct Node: Hashable, Sendable {
        /// The node's id.
        public let id: NodeID
        /// Its name.
        public let name: String
        /// Index of its stage, from 0.
        public let stage: Int
        /// `waiting`, `assigned`, a state of `NodeProgress`, `skipped` or `lost`.
        public let state: String
        /// The version it last reported.
        public let version: String
        /// Why, in words; may be empty.
        public let reason: String
        /// The version that it had when it was assigned; empty where it was not, or that is not known.
        public let before: String

        /// A node's part in a rollout.
        public init(
            id: NodeID,
            name: String,
            stage: Int,
            state: String,
            version: String,
            reason: String,
            before: String = ""
        ) {
            self.id = id
            self.name = name
            self.stage = stage
            self.state = state
            self.version = version
            self.reason = reason
            self.before = before
        }

        init(_ fields: JSONFields) throws(JSONError) {
            id = try fields.name("id")
            name = try fields.string("name", limit: 253)
            stage = Int(try fields.integer("stage", in: 0...31))
            state = try fields.string("state", limit: 32)
            version = try fields.string("version", limit: 256)
            reason = try fields.string("reason", limit: 2048)
            before = fields.has("before") ? try fields.string("before", limit: 256) : ""
        }

        var json: JSONValue {
            var object: JSONObject = [
                "id": JSONValue(id), "name": .string(name), "stage": JSONValue(stage), "state": .string(state),
                "version": .string(version), "reason": .string(reason),
            ]
            if !before.isEmpty { object["before"] = .string(before) }
            return .object(object)
        }
    }

    /// Why nothing of it goes on just now, although it is running.
    public struct Hold: Hashable, Sendable {
        /// Why, in words.
        public let reason: String
        /// When it is known to go on; nil where that depends on something else.
        public let until: UTCTime?

        /// A hold.
        public init(reason: String, until: UTCTime?) {
            self.reason = reason
            self.until = until
        }

        /// Reads a hold.
        public init(_ fields: JSONFields) throws(JSONError) {
            reason = try fields.string("reason", limit: 4096)
            until = try fields.optional("until") { fields, key throws(JSONError) in try fields.milliseconds(key) }
        }

        /// The hold as it is sent.
        public var json: JSONValue {
            var object: JSONObject = ["reason": .string(reason)]
            if let until { object["until"] = .integer(until.milliseconds) }
            return .object(object)
        }
    }

    /// A hundred thousand nodes fit.
    public static let byteLimit = 64_000_000

    /// The rollout's id, which is its statement's.
    public let id: RolloutID
    /// `waiting-for-approval`, `running`, `halted`, `complete`, `cancelled` or `expired`.
    public let state: String
    /// Why it is in that state, in words; may be empty.
    public let reason: String
    /// Rises with every change; the long poll waits for a higher one.
    public let revision: Int64
    /// When it was started.
    public let started: UTCTime
    /// The statement with the signatures it has so far: what an approver reads and signs.
    public let statement: SignedStatement
    /// Operators whose valid signature it carries, the requester first.
    public let signers: [OperatorName]
    /// What policy still asks for, in words; empty once it may run.
    public let missing: String
    /// Its stages.
    public let stages: [Stage]
    /// Its nodes; empty in lists.
    public let nodes: [Node]
    /// Why nothing goes on just now; nil where something does, or it is not running.
    public let hold: Hold?

    /// A rollout.
    public init(
        id: RolloutID,
        state: String,
        reason: String,
        revision: Int64,
        started: UTCTime,
        statement: SignedStatement,
        signers: [OperatorName],
        missing: String,
        stages: [Stage],
        nodes: [Node],
        hold: Hold? = nil
    ) {
        self.id = id
        self.state = state
        self.reason = reason
        self.revision = revision
        self.started = started
        self.statement = statement
        self.signers = signers
        self.missing = missing
        self.stages = stages
        self.nodes = nodes
        self.hold = hold
    }

    /// Reads a rollout.
    public init(_ fields: JSONFields) throws(JSONError) {
        id = try fields.name("id")
        state = try fields.string("state", limit: 32)
        reason = try fields.string("reason", limit: 4096)
        revision = try fields.integer("revision")
        started = try fields.milliseconds("started")
        statement = try SignedStatement(try fields.fields("statement"))
        signers = try fields.names("signers", limit: SignedStatement.signatureLimit)
        missing = try fields.string("missing", limit: 4096)
        stages = try fields.objects("stages", limit: 32).map { stage throws(JSONError) in try Stage(stage) }
        nodes = try fields.objects("nodes", limit: 1_000_000).map { node throws(JSONError) in try Node(node) }
        hold = try fields.optional("hold") { fields, key throws(JSONError) in try Hold(try fields.fields(key)) }
    }

    /// The rollout as it is sent.
    public var json: JSONValue {
        var object: JSONObject = [
            "id": JSONValue(id), "state": .string(state), "reason": .string(reason), "revision": .integer(revision),
            "started": .integer(started.milliseconds), "statement": statement.json, "signers": JSONValue(signers),
            "missing": .string(missing), "stages": .array(stages.map(\.json)), "nodes": .array(nodes.map(\.json)),
        ]
        if let hold { object["hold"] = hold.json }
        return .object(object)
    }
}
