import ByteCoding
import CanonicalJSON
import MusterModel
import MusterSystem
import SignatureVerification

/// What this node knows of one run, in `run.json`: the agent's own record, no secret in it.
///
/// ```
/// {"run": "…", "phase": "accepted", "command": "restart-web", "requester": "ada", "digest": "<SHA-256 of the statement>",
///  "taken": 1700000000000, "place": 0, "expires": 1700000000000, "statement": {…}?, "outcome": {…}?,
///  "delivered": 1700000000000?, "refused": true?}
/// ```
/// `refused` stands with the phase `forgotten`, of a run that was.
public struct NodeRun: Hashable, Sendable {
    /// Most bytes of the file.
    static let byteLimit = SignedStatement.byteLimit * 2

    /// How far it is.
    public enum Phase: String, Hashable, Sendable {
        /// In the queue: its id is not used up.
        case accepted
        /// Its id is used up; a supervisor is being started, or is at work.
        case starting
        /// There is an outcome.
        case ended
        /// The service has the outcome, and it is not kept any more; the record stays until the statement has expired, so
        /// that nobody can bring the run to life again.
        case forgotten
    }

    /// The run.
    public let id: RunID
    /// The command's name, for people.
    public let command: String
    /// Who asked, for people.
    public let requester: String
    /// SHA-256 of what was signed.
    let digest: [UInt8]
    /// The whole statement; nil once it ended.
    public private(set) var statement: SignedStatement?
    /// When the statement expires; never later than one that was valid when it came can.
    public let expires: UTCTime
    /// When it was taken in.
    public let taken: UTCTime
    /// Its place among those that came with it.
    public let place: Int64
    /// How far it is.
    public var phase: Phase
    /// How it ended; nil before.
    public var outcome: RunOutcome?
    /// When the service had the outcome; nil before.
    public var delivered: UTCTime?
    /// Whether it was refused.
    public private(set) var isRefused = false

    /// A run that has just come in.
    init(_ run: UpdateManifest.Run, taken: UTCTime, place: Int) {
        id = run.run
        statement = run.statement
        digest = Digest.sha256(run.statement.signedBytes)
        requester = run.statement.statement.requester.text
        command = if case .run(let body) = run.statement.statement.body { body.command.text } else { "unknown" }
        expires = Self.end(run.statement.statement.expires, taken)
        self.taken = taken
        self.place = Int64(place)
        phase = .accepted
    }

    init(_ fields: JSONFields) throws(JSONError) {
        id = try fields.name("run")
        let name = try fields.string("phase", limit: 32)
        guard let phase = Phase(rawValue: name) else { throw fields.error("phase", "unknown phase '\(name)'") }
        self.phase = phase
        command = try fields.string("command", limit: 128)
        requester = try fields.string("requester", limit: 128)
        digest = try fields.hex("digest", count: 32)
        taken = try fields.milliseconds("taken")
        place = try fields.integer("place")
        // Earlier agents kept records of what nobody had signed, with any end that it gave itself.
        expires = Self.end(try fields.milliseconds("expires"), taken)
        statement = try fields.optional("statement") { fields, key throws(JSONError) in
            try SignedStatement(try fields.fields(key))
        }
        outcome = try fields.optional("outcome") { fields, key throws(JSONError) in
            try RunOutcome(try fields.fields(key))
        }
        delivered = try fields.optional("delivered") { fields, key throws(JSONError) in try fields.milliseconds(key) }
        let wasRefused = fields.has("refused") ? try fields.bool("refused") : false
        isRefused = wasRefused || outcome?.state == .refused
    }

    private static func end(_ expires: UTCTime, _ taken: UTCTime) -> UTCTime {
        min(expires, taken.adding(seconds: RunBody.statementLifetime + Statement.clockSkew))
    }

    var json: JSONValue {
        var object: JSONObject = [
            "run": .string(id.text), "phase": .string(phase.rawValue), "command": .string(command),
            "requester": .string(requester), "digest": .string(Hex.encode(digest)),
            "taken": .integer(taken.milliseconds),
            "place": .integer(place), "expires": .integer(expires.milliseconds),
        ]
        if let statement { object["statement"] = statement.json }
        if let outcome { object["outcome"] = outcome.json }
        if let delivered { object["delivered"] = .integer(delivered.milliseconds) }
        if isRefused, outcome?.state != .refused { object["refused"] = .bool(true) }
        return .object(object)
    }

    /// Nothing starts before; nil for at once.
    var notBefore: UTCTime? {
        guard case .run(let body) = statement?.statement.body else { return nil }
        return body.notBefore
    }

    /// As the manifest had it.
    var entry: UpdateManifest.Run? { statement.map { UpdateManifest.Run(run: id, statement: $0) } }

    /// Whether it came in before `other`.
    func isBefore(_ other: NodeRun) -> Bool { (taken, place, id) < (other.taken, other.place, other.id) }

    /// Takes how it ended; the statement, with its sealed secrets, is not needed any more.
    mutating func end(_ outcome: RunOutcome) {
        self.outcome = outcome
        isRefused = outcome.state == .refused || phase == .forgotten && isRefused
        phase = .ended
        statement = nil
    }

    /// Lets go of everything but that there was such a run.
    mutating func forget() {
        phase = .forgotten
        statement = nil
        outcome = nil
    }
}
