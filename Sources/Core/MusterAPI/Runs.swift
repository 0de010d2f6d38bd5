import ByteCoding
import CanonicalJSON
import MusterModel

/// What a node says of one run, `POST /v1/node/runs/{id}`, and what the requester says of each node of a run over SSH.
///
/// ```
/// {"state": "started", "at": 1700000000000, "reason": "", "offset": 0,
///  "output": [{"stream": "out", "milliseconds": 12, "data": "<base64>"}], "result": {…}?, "node": "…"?}
/// ```
/// Idempotent: what the service has already of the output is left out by `offset`, and a final state does not change.
public struct RunUpdate: Body {
    /// Most bytes of output in one update.
    public static let outputLimit = 131_072
    /// So much output in many small pieces fits.
    public static let byteLimit = 524_288

    /// One piece of output.
    public struct Piece: Hashable, Sendable {
        /// Where it was written.
        public let stream: RunStream
        /// Milliseconds since the process started.
        public let milliseconds: Int64
        /// What was written.
        public let data: [UInt8]

        /// A piece of output.
        public init(stream: RunStream, milliseconds: Int64, data: [UInt8]) {
            self.stream = stream
            self.milliseconds = milliseconds
            self.data = data
        }

        init(_ fields: JSONFields) throws(JSONError) {
            stream = try RunStream(fields)
            milliseconds = try fields.integer("milliseconds")
            data = try fields.base64("data", limit: RunUpdate.outputLimit)
        }

        var json: JSONValue {
            [
                "stream": .string(stream.rawValue), "milliseconds": .integer(milliseconds),
                "data": .string(Base64.encode(data)),
            ]
        }
    }

    /// How far the node is.
    public let state: RunState
    /// Since when, by the node's clock.
    public let at: UTCTime
    /// Why, in words; may be empty.
    public let reason: String
    /// How many bytes of output came before these pieces.
    public let offset: Int64
    /// More output.
    public let output: [Piece]
    /// How the process ended, with the state `ended`.
    public let result: RunResult?
    /// Which node it is about; nil where the node itself says it.
    public let node: NodeID?

    /// An update.
    public init(
        state: RunState,
        at: UTCTime,
        reason: String = "",
        offset: Int64 = 0,
        output: [Piece] = [],
        result: RunResult? = nil,
        node: NodeID? = nil
    ) {
        self.state = state
        self.at = at
        self.reason = reason
        self.offset = offset
        self.output = output
        self.result = result
        self.node = node
    }

    /// Reads an update.
    public init(_ fields: JSONFields) throws(JSONError) {
        let name = try fields.string("state", limit: 32)
        guard let state = RunState(rawValue: name) else { throw fields.error("state", "unknown state '\(name)'") }
        self.state = state
        at = try fields.milliseconds("at")
        reason = try fields.string("reason", limit: 2048)
        offset = try fields.integer("offset")
        output = try fields.objects("output", limit: 4096).map { piece throws(JSONError) in try Piece(piece) }
        result = try fields.optional("result") { fields, key throws(JSONError) in
            try RunResult(try fields.fields(key))
        }
        node = try fields.optional("node") { fields, key throws(JSONError) in try fields.name(key) }
        guard (state == .ended) == (result != nil) else {
            throw fields.error("result", "belongs to the state 'ended' and to no other")
        }
    }

    /// The update as it is sent.
    public var json: JSONValue {
        var object: JSONObject = [
            "state": .string(state.rawValue), "at": .integer(at.milliseconds), "reason": .string(reason),
            "offset": .integer(offset), "output": .array(output.map(\.json)),
        ]
        if let result { object["result"] = result.json }
        if let node { object["node"] = JSONValue(node) }
        return .object(object)
    }
}

/// Where a process wrote.
public enum RunStream: String, Hashable, Sendable, CaseIterable {
    /// Standard output.
    case output = "out"
    /// Standard error.
    case errors = "err"

    init(_ fields: JSONFields) throws(JSONError) {
        let name = try fields.string("stream", limit: 8)
        guard let stream = Self(rawValue: name) else { throw fields.error("stream", "is neither out nor err") }
        self = stream
    }
}

/// The answer to a `RunUpdate`: `{"received": 4096, "cancel": false}`.
public struct RunUpdateReply: Body {
    /// How many bytes of the node's output are on the service's disk.
    public let received: Int64
    /// Whether the process shall be ended.
    public let cancel: Bool

    /// An answer.
    public init(received: Int64, cancel: Bool) {
        self.received = received
        self.cancel = cancel
    }

    /// Reads an answer.
    public init(_ fields: JSONFields) throws(JSONError) {
        received = try fields.integer("received")
        cancel = try fields.bool("cancel")
    }

    /// The answer as it is sent.
    public var json: JSONValue { ["received": .integer(received), "cancel": .bool(cancel)] }
}

/// What `POST /v1/runs/{id}/results` brings: how a run over SSH went on some of its nodes.
public struct RunResults: Body {
    /// Several updates with output fit.
    public static let byteLimit = 4_000_000

    /// An update of each node, which names it.
    public let updates: [RunUpdate]

    /// Results.
    public init(updates: [RunUpdate]) {
        self.updates = updates
    }

    /// Reads results.
    public init(_ fields: JSONFields) throws(JSONError) {
        updates = try fields.objects("updates", limit: RunBody.nodeLimit).map { update throws(JSONError) in
            let update = try RunUpdate(update)
            guard update.node != nil else { throw fields.error("updates", "one names no node") }
            return update
        }
    }

    /// The results as they are sent.
    public var json: JSONValue { ["updates": .array(updates.map(\.json))] }
}

/// A run: an entry of `GET /v1/runs` (without nodes) and the answer of `GET /v1/runs/{id}`.
public struct RunRecord: Body {
    /// How far a run is.
    public enum State: String, Hashable, Sendable, CaseIterable {
        /// Approvals are missing.
        case waiting
        /// Allowed, and its time has not come.
        case scheduled
        /// Nodes are at work, or offline ones are waited for.
        case running
        /// No further nodes are begun; those at work are waited for.
        case stopping
        /// Every node ended; all succeeded.
        case succeeded
        /// Every node ended; not all succeeded.
        case failed
        /// Ended by an operator.
        case cancelled
        /// Refused by an operator whom it asked.
        case denied
        /// Its statement expired before all nodes had run it.
        case expired
        /// Ended since too many nodes failed.
        case halted

        /// Whether nothing more comes of it by itself.
        public var isFinal: Bool {
            switch self {
            case .waiting, .scheduled, .running, .stopping: false
            case .succeeded, .failed, .cancelled, .denied, .expired, .halted: true
            }
        }
    }

    /// How far one node is, as the service sees it.
    public enum NodeState: String, Hashable, Sendable, CaseIterable {
        /// Not its turn yet, or the run's time has not come.
        case waiting
        /// In its manifest; nothing was heard yet.
        case assigned
        /// The process runs.
        case started
        /// Exit status 0.
        case succeeded
        /// Another exit status, a signal, or out of time.
        case failed
        /// The node does not believe what it was told.
        case refused
        /// It could not be started.
        case notStarted = "not-started"
        /// Whether and how it ended is not known.
        case lost
        /// Taken back before it started, or ended by a cancellation.
        case cancelled
        /// The statement expired first.
        case expired

        /// Whether nothing more comes of it by itself.
        public var isFinal: Bool {
            switch self {
            case .waiting, .assigned, .started: false
            case .succeeded, .failed, .refused, .notStarted, .lost, .cancelled, .expired: true
            }
        }
    }

    /// A node's part in a run.
    public struct Node: Hashable, Sendable {
        /// The node's id.
        public let id: NodeID
        /// Its name.
        public let name: String
        /// How far it is.
        public let state: NodeState
        /// Why, in words; may be empty.
        public let reason: String
        /// How its process ended; nil where none has, or none is known of.
        public let result: RunResult?
        /// When it was given to the node; nil before.
        public let assigned: UTCTime?
        /// When the state was last heard of or changed.
        public let changed: UTCTime?

        /// A node's part.
        public init(
            id: NodeID,
            name: String,
            state: NodeState,
            reason: String = "",
            result: RunResult? = nil,
            assigned: UTCTime? = nil,
            changed: UTCTime? = nil
        ) {
            self.id = id
            self.name = name
            self.state = state
            self.reason = reason
            self.result = result
            self.assigned = assigned
            self.changed = changed
        }

        init(_ fields: JSONFields) throws(JSONError) {
            id = try fields.name("id")
            name = try fields.string("name", limit: 253)
            let text = try fields.string("state", limit: 32)
            guard let state = NodeState(rawValue: text) else { throw fields.error("state", "unknown state '\(text)'") }
            self.state = state
            reason = try fields.string("reason", limit: 2048)
            result = try fields.optional("result") { fields, key throws(JSONError) in
                try RunResult(try fields.fields(key))
            }
            assigned = try fields.optional("assigned") { fields, key throws(JSONError) in try fields.milliseconds(key) }
            changed = try fields.optional("changed") { fields, key throws(JSONError) in try fields.milliseconds(key) }
        }

        var json: JSONValue {
            var object: JSONObject = [
                "id": JSONValue(id), "name": .string(name), "state": .string(state.rawValue), "reason": .string(reason),
            ]
            if let result { object["result"] = result.json }
            if let assigned { object["assigned"] = .integer(assigned.milliseconds) }
            if let changed { object["changed"] = .integer(changed.milliseconds) }
            return .object(object)
        }
    }

    /// Two thousand nodes, and the statement that names them, fit.
    public static let byteLimit = 16_000_000

    /// The run's id, which is its statement's.
    public let id: RunID
    /// How far it is.
    public let state: State
    /// Why it is in that state, in words; may be empty.
    public let reason: String
    /// Rises with every change; the long poll waits for a higher one.
    public let revision: Int64
    /// When it was asked for.
    public let asked: UTCTime
    /// When it ended; nil before.
    public let ended: UTCTime?
    /// The statement with the signatures it has so far: what an approver reads and signs.
    public let statement: SignedStatement
    /// Operators whose valid signature it carries, the requester first.
    public let signers: [OperatorName]
    /// What policy still asks for, in words; empty once it may run.
    public let missing: String
    /// How many of its nodes are in each state, by `NodeState`.
    public let counts: [NodeState: Int]
    /// Its nodes; empty in a list.
    public let nodes: [Node]

    /// A run.
    public init(
        id: RunID,
        state: State,
        reason: String,
        revision: Int64,
        asked: UTCTime,
        ended: UTCTime?,
        statement: SignedStatement,
        signers: [OperatorName],
        missing: String,
        counts: [NodeState: Int],
        nodes: [Node]
    ) {
        self.id = id
        self.state = state
        self.reason = reason
        self.revision = revision
        self.asked = asked
        self.ended = ended
        self.statement = statement
        self.signers = signers
        self.missing = missing
        self.counts = counts
        self.nodes = nodes
    }

    /// Reads a run.
    public init(_ fields: JSONFields) throws(JSONError) {
        id = try fields.name("id")
        let text = try fields.string("state", limit: 32)
        guard let state = State(rawValue: text) else { throw fields.error("state", "unknown state '\(text)'") }
        self.state = state
        reason = try fields.string("reason", limit: 4096)
        revision = try fields.integer("revision")
        asked = try fields.milliseconds("asked")
        ended = try fields.optional("ended") { fields, key throws(JSONError) in try fields.milliseconds(key) }
        statement = try SignedStatement(try fields.fields("statement"))
        signers = try fields.names("signers", limit: SignedStatement.signatureLimit)
        missing = try fields.string("missing", limit: 4096)
        counts = try Self.counts(try fields.fields("counts"))
        nodes = try fields.objects("nodes", limit: RunBody.nodeLimit).map { node throws(JSONError) in try Node(node) }
    }

    /// The run as it is sent.
    public var json: JSONValue {
        var object: JSONObject = [
            "id": JSONValue(id), "state": .string(state.rawValue), "reason": .string(reason),
            "revision": .integer(revision), "asked": .integer(asked.milliseconds), "statement": statement.json,
            "signers": JSONValue(signers), "missing": .string(missing),
            "counts": Self.json(counts),
            "nodes": .array(nodes.map(\.json)),
        ]
        if let ended { object["ended"] = .integer(ended.milliseconds) }
        return .object(object)
    }
}

extension RunRecord {
    /// How many nodes are in each state, out of an object with a member for each state that has any.
    public static func counts(_ fields: JSONFields) throws(JSONError) -> [NodeState: Int] {
        var counts: [NodeState: Int] = [:]
        for state in NodeState.allCases where fields.has(state.rawValue) {
            counts[state] = Int(try fields.integer(state.rawValue, in: 0...Int64(RunBody.nodeLimit)))
        }
        return counts
    }

    /// That object.
    public static func json(_ counts: [NodeState: Int]) -> JSONValue {
        .object(JSONObject(counts.map { ($0.key.rawValue, JSONValue($0.value)) }))
    }
}

/// The answer of `GET /v1/runs/{id}/output`: output of all nodes in the order in which it reached the service.
public struct RunOutput: Body {
    /// Several pieces of a whole update each fit.
    public static let byteLimit = 16_000_000

    /// A piece of one node's output.
    public struct Chunk: Hashable, Sendable {
        /// Its place in the order of the run: from 1, rising, with gaps where only one node was asked for.
        public let sequence: Int64
        /// The node.
        public let node: NodeID
        /// How many bytes of the node's output came before it.
        public let offset: Int64
        /// The piece.
        public let piece: RunUpdate.Piece

        /// A piece of one node's output.
        public init(sequence: Int64, node: NodeID, offset: Int64, piece: RunUpdate.Piece) {
            self.sequence = sequence
            self.node = node
            self.offset = offset
            self.piece = piece
        }

        init(_ fields: JSONFields) throws(JSONError) {
            sequence = try fields.integer("sequence")
            node = try fields.name("node")
            offset = try fields.integer("offset")
            piece = try RunUpdate.Piece(fields)
        }

        var json: JSONValue {
            guard case .object(var object) = piece.json else { return .null }
            object["sequence"] = .integer(sequence)
            object["node"] = JSONValue(node)
            object["offset"] = .integer(offset)
            return .object(object)
        }
    }

    /// The pieces.
    public let chunks: [Chunk]
    /// Whether the run has ended and no further output is there.
    public let isComplete: Bool

    /// Output.
    public init(chunks: [Chunk], isComplete: Bool) {
        self.chunks = chunks
        self.isComplete = isComplete
    }

    /// Reads output.
    public init(_ fields: JSONFields) throws(JSONError) {
        chunks = try fields.objects("chunks", limit: 10_000).map { chunk throws(JSONError) in try Chunk(chunk) }
        isComplete = try fields.bool("complete")
    }

    /// The output as it is sent.
    public var json: JSONValue { ["chunks": .array(chunks.map(\.json)), "complete": .bool(isComplete)] }
}
