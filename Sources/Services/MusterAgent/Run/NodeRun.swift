import ByteCoding
import CanonicalJSON
import MusterModel
import MusterSystem

/// What this node knows of one run, in `run.json`: the agent's own record, no secret in it.
///
/// ```
/// {"run": "…", "phase": "accepted", "taken": 1700000000000, "place": 0, "expires": 1700000000000,
///  "statement": {…}?, "outcome": {…}?, "delivered": 1700000000000?}
/// ```
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
    /// The whole statement; nil once forgotten.
    public private(set) var statement: SignedStatement?
    /// When the statement expires.
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

    /// A run that has just come in.
    init(_ run: UpdateManifest.Run, taken: UTCTime, place: Int) {
        id = run.run
        statement = run.statement
        expires = run.statement.statement.expires
        self.taken = taken
        self.place = Int64(place)
        phase = .accepted
    }

    init(_ fields: JSONFields) throws(JSONError) {
        id = try fields.name("run")
        let name = try fields.string("phase", limit: 32)
        guard let phase = Phase(rawValue: name) else { throw fields.error("phase", "unknown phase '\(name)'") }
        self.phase = phase
        taken = try fields.milliseconds("taken")
        place = try fields.integer("place")
        expires = try fields.milliseconds("expires")
        statement = try fields.optional("statement") { fields, key throws(JSONError) in
            try SignedStatement(try fields.fields(key))
        }
        outcome = try fields.optional("outcome") { fields, key throws(JSONError) in
            try RunOutcome(try fields.fields(key))
        }
        delivered = try fields.optional("delivered") { fields, key throws(JSONError) in try fields.milliseconds(key) }
    }

    var json: JSONValue {
        var object: JSONObject = [
            "run": .string(id.text), "phase": .string(phase.rawValue), "taken": .integer(taken.milliseconds),
            "place": .integer(place), "expires": .integer(expires.milliseconds),
        ]
        if let statement { object["statement"] = statement.json }
        if let outcome { object["outcome"] = outcome.json }
        if let delivered { object["delivered"] = .integer(delivered.milliseconds) }
        return .object(object)
    }

    /// What it asks for; nil once forgotten, or where it is no run.
    public var body: RunBody? {
        guard case .run(let body) = statement?.statement.body else { return nil }
        return body
    }

    /// The command's name, for people.
    public var command: String { body?.command.text ?? "unknown" }

    /// Who asked, for people.
    public var requester: String { statement?.statement.requester.text ?? "unknown" }

    /// As the manifest had it.
    var entry: UpdateManifest.Run? { statement.map { UpdateManifest.Run(run: id, statement: $0) } }

    /// Whether it came in before `other`.
    func isBefore(_ other: NodeRun) -> Bool { (taken, place, id) < (other.taken, other.place, other.id) }

    /// Lets go of everything but that there was such a run.
    mutating func forget() {
        phase = .forgotten
        statement = nil
        outcome = nil
    }
}
