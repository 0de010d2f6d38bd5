import ByteCoding
import CanonicalJSON
import MusterModel

/// The answer of `POST /v1/statements`.
public struct StatementReply: Body {
    /// The statement's id.
    public let id: StatementID
    /// `accepted`, or `waiting` where policy asks for approvals.
    public let state: String
    /// What became of it, in words.
    public let detail: String

    /// An answer.
    public init(id: StatementID, state: String, detail: String) {
        self.id = id
        self.state = state
        self.detail = detail
    }

    /// Reads an answer.
    public init(_ fields: JSONFields) throws(JSONError) {
        id = try fields.name("id")
        state = try fields.string("state", limit: 32)
        detail = try fields.string("detail", limit: 4096)
    }

    /// The answer as it is sent.
    public var json: JSONValue {
        ["id": JSONValue(id), "state": .string(state), "detail": .string(detail)]
    }
}

/// `POST /v1/rollouts/{id}/approve`: one more signature of the rollout's statement.
public struct ApprovalRequest: Body {
    /// SSHSIG blob over the statement's bytes.
    public let signature: [UInt8]

    /// An approval.
    public init(signature: [UInt8]) {
        self.signature = signature
    }

    /// Reads an approval.
    public init(_ fields: JSONFields) throws(JSONError) {
        signature = try fields.base64("signature", limit: SignedStatement.signatureByteLimit)
    }

    /// The approval as it is sent.
    public var json: JSONValue { ["signature": .string(Base64.encode(signature))] }
}

/// `POST /v1/rollouts/{id}/halt`, `/resume` and `/cancel`.
public struct ReasonRequest: Body {
    /// Why, in words, at most 1024 bytes; may be empty.
    public let reason: String

    /// A reason.
    public init(reason: String) {
        self.reason = reason
    }

    /// Reads a reason.
    public init(_ fields: JSONFields) throws(JSONError) {
        reason = fields.has("reason") ? try fields.string("reason", limit: 1024) : ""
    }

    /// The reason as it is sent.
    public var json: JSONValue { ["reason": .string(reason)] }
}

/// One entry of `GET /v1/events`: something that happened, in order, never changed afterwards.
public struct EventRecord: Body {
    /// Its place in the log, from 1, without gaps.
    public let sequence: Int64
    /// When it was written.
    public let time: UTCTime
    /// What happened, such as `node-enrolled`.
    public let type: String
    /// Who or what caused it: an operator, a node, or `musterd`.
    public let actor: String
    /// What it is about, in members that depend on the type.
    public let detail: JSONValue

    /// An event.
    public init(sequence: Int64, time: UTCTime, type: String, actor: String, detail: JSONValue) {
        self.sequence = sequence
        self.time = time
        self.type = type
        self.actor = actor
        self.detail = detail
    }

    /// Reads an event.
    public init(_ fields: JSONFields) throws(JSONError) {
        sequence = try fields.integer("sequence", in: 1...Int64.max)
        time = try fields.milliseconds("time")
        type = try fields.string("type", limit: 64)
        actor = try fields.string("actor", limit: 128)
        detail = try fields.value("detail")
    }

    /// The event as it is sent, and as it is hashed into the log.
    public var json: JSONValue {
        [
            "sequence": .integer(sequence), "time": .integer(time.milliseconds), "type": .string(type),
            "actor": .string(actor), "detail": detail,
        ]
    }
}
