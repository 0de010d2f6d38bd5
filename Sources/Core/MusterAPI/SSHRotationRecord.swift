import ByteCoding
import CanonicalJSON
import MusterModel

/// `POST /v1/ssh/rotation`: the next step of the rotation of a CA.
///
/// The service makes or drops keys and says what `ssh/trust.json` has to be; the document changes only once the policy keys
/// sign it.
public struct SSHRotationRequest: Body {
    /// A step.
    public enum Action: String, Hashable, Sendable, CaseIterable {
        /// Make the next key and have it trusted everywhere.
        case announce
        /// Let the next key sign, and the present one retire.
        case sign
        /// Trust the retiring key no more.
        case retire
        /// Go one step back, while the old key is trusted.
        case rollBack = "roll-back"
    }

    /// Which CA.
    public let kind: SSHAuthorityKind
    /// Which step.
    public let action: Action
    /// For how many days a key that is announced is trusted; nil for a year.
    public let days: Int?

    /// A step.
    public init(kind: SSHAuthorityKind, action: Action, days: Int? = nil) {
        self.kind = kind
        self.action = action
        self.days = days
    }

    /// Reads a step.
    public init(_ fields: JSONFields) throws(JSONError) {
        kind = try fields.sshAuthorityKind("kind")
        let name = try fields.string("action", limit: 32)
        guard let action = Action(rawValue: name) else {
            let known = Action.allCases.map(\.rawValue).joined(separator: ", ")
            throw fields.error("action", "'\(name)' is none of \(known)")
        }
        self.action = action
        days = try fields.optional("days") { fields, key throws(JSONError) in
            Int(try fields.integer(key, in: 1...3650))
        }
    }

    /// The step as it is sent.
    public var json: JSONValue {
        var object: JSONObject = ["kind": .string(kind.rawValue), "action": .string(action.rawValue)]
        if let days { object["days"] = JSONValue(days) }
        return .object(object)
    }
}

/// The answer of `POST /v1/ssh/rotation` and `GET /v1/ssh/rotation`.
public struct SSHRotationRecord: Body {
    /// How far one kind of CA is.
    public struct Kind: Hashable, Sendable {
        /// Which kind.
        public let kind: SSHAuthorityKind
        /// The steps that can be asked for now.
        public let possible: [SSHRotationRequest.Action]
        /// The step that comes next; nil while no rotation is under way.
        public let next: SSHRotationRequest.Action?
        /// What that step waits for, one line each: a node that has not proved the new CA, a certificate still good.
        public let waiting: [String]
        /// Nodes that are not waited for, since they are not in contact, one line each.
        public let unreachable: [String]
        /// How many nodes have proved what the next step needs.
        public let proved: Int
        /// How many nodes there are with an SSH side.
        public let nodes: Int

        /// How far one kind of CA is.
        public init(
            kind: SSHAuthorityKind,
            possible: [SSHRotationRequest.Action],
            next: SSHRotationRequest.Action?,
            waiting: [String],
            unreachable: [String],
            proved: Int,
            nodes: Int
        ) {
            self.kind = kind
            self.possible = possible
            self.next = next
            self.waiting = waiting
            self.unreachable = unreachable
            self.proved = proved
            self.nodes = nodes
        }
    }

    /// Long lists of nodes fit.
    public static let byteLimit = 64_000_000

    /// The document that is trusted now.
    public let trust: SSHTrust
    /// The document that the policy keys have to sign for the step that was asked for; nil where nothing was asked.
    public let proposal: SSHTrust?
    /// Each kind of CA.
    public let kinds: [Kind]
    /// What was done and what is to be done next, in words.
    public let detail: String

    /// An answer.
    public init(trust: SSHTrust, proposal: SSHTrust?, kinds: [Kind], detail: String) {
        self.trust = trust
        self.proposal = proposal
        self.kinds = kinds
        self.detail = detail
    }

    /// Reads an answer.
    public init(_ fields: JSONFields) throws(JSONError) {
        trust = try SSHTrust(try fields.fields("trust"))
        proposal = try fields.optional("proposal") { fields, key throws(JSONError) in
            try SSHTrust(try fields.fields(key))
        }
        kinds = try fields.objects("kinds", limit: 2).map { kind throws(JSONError) in try Kind(kind) }
        detail = try fields.string("detail", limit: 4096)
    }

    /// The answer as it is sent.
    public var json: JSONValue {
        [
            "trust": trust.json, "proposal": proposal?.json ?? .null, "kinds": .array(kinds.map(\.json)),
            "detail": .string(detail),
        ]
    }
}

extension SSHRotationRecord.Kind {
    init(_ fields: JSONFields) throws(JSONError) {
        func count(_ key: String) throws(JSONError) -> Int { Int(try fields.integer(key, in: 0...10_000_000)) }
        func lines(_ key: String) throws(JSONError) -> [String] {
            try fields.strings(key, limit: 1_000_000, each: 4096)
        }
        self.init(
            kind: try fields.sshAuthorityKind("kind"),
            // A step that this program does not know it cannot ask for.
            possible: try fields.strings("possible", limit: 16, each: 32).compactMap {
                SSHRotationRequest.Action(rawValue: $0)
            },
            next: try fields.optional("next") { fields, key throws(JSONError) in
                SSHRotationRequest.Action(rawValue: try fields.string(key, limit: 32))
            }?.flatMap(\.self),
            waiting: try lines("waiting"),
            unreachable: try lines("unreachable"),
            proved: try count("proved"),
            nodes: try count("nodes")
        )
    }

    var json: JSONValue {
        [
            "kind": .string(kind.rawValue), "possible": .array(possible.map { .string($0.rawValue) }),
            "next": JSONValue(next?.rawValue), "waiting": .array(waiting.map { .string($0) }),
            "unreachable": .array(unreachable.map { .string($0) }), "proved": JSONValue(proved),
            "nodes": JSONValue(nodes),
        ]
    }
}
