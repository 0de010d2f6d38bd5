import ByteCoding
import CanonicalJSON
import MusterModel

/// The answer of `POST /v1/ssh/certificates` and `GET /v1/ssh/certificates/{id}`.
///
/// ```
/// {"state": "issued", "id": "…", "serial": 17, "certificate": "ssh-ed25519-cert-v01@openssh.com AAAA…",
///  "valid_before": 1700000000000, "host_authorities": ["ssh-ed25519 AAAA…"], "detail": "…"}
/// ```
public struct SSHCertificateReply: Body {
    /// How far a request is.
    public enum State: String, Hashable, Sendable, CaseIterable {
        /// The certificate is here.
        case issued
        /// Policy asks for approvals first.
        case waiting
        /// Somebody refused it.
        case denied
        /// The statement expired before enough approved it.
        case expired
    }

    /// How far it is.
    public let state: State
    /// The statement's id.
    public let id: StatementID
    /// The certificate's serial, once it is issued.
    public let serial: Int64?
    /// The certificate on one line, once it is issued.
    public let certificate: String?
    /// From when on it is good no more, once it is issued.
    public let validBefore: UTCTime?
    /// Lines of the host CAs that clients trust; empty while nothing is issued.
    public let hostAuthorities: [String]
    /// For whom it waits, why it was denied, or what ended its validity, in words.
    public let detail: String

    /// An answer.
    public init(
        state: State,
        id: StatementID,
        serial: Int64? = nil,
        certificate: String? = nil,
        validBefore: UTCTime? = nil,
        hostAuthorities: [String] = [],
        detail: String
    ) {
        self.state = state
        self.id = id
        self.serial = serial
        self.certificate = certificate
        self.validBefore = validBefore
        self.hostAuthorities = hostAuthorities
        self.detail = detail
    }

    /// Reads an answer.
    public init(_ fields: JSONFields) throws(JSONError) {
        let name = try fields.string("state", limit: 32)
        guard let state = State(rawValue: name) else { throw fields.error("state", "'\(name)' is not known here") }
        self.state = state
        id = try fields.name("id")
        serial = try fields.optional("serial") { fields, key throws(JSONError) in try fields.integer(key) }
        certificate = try fields.optional("certificate") { fields, key throws(JSONError) in
            try fields.string(key, limit: 100_000)
        }
        validBefore = try fields.optional("valid_before") { fields, key throws(JSONError) in
            try fields.milliseconds(key)
        }
        hostAuthorities =
            try fields.optional("host_authorities") { fields, key throws(JSONError) in
                try fields.strings(key, limit: SSHTrust.authorityLimit, each: 8192)
            } ?? []
        detail =
            try fields.optional("detail") { fields, key throws(JSONError) in
                try fields.string(key, limit: 4096)
            } ?? ""
    }

    /// The answer as it is sent.
    public var json: JSONValue {
        var object: JSONObject = [
            "state": .string(state.rawValue), "id": JSONValue(id),
            "host_authorities": .array(hostAuthorities.map { .string($0) }), "detail": .string(detail),
        ]
        if let serial { object["serial"] = .integer(serial) }
        if let certificate { object["certificate"] = .string(certificate) }
        if let validBefore { object["valid_before"] = .integer(validBefore.milliseconds) }
        return .object(object)
    }
}

/// An entry of `GET /v1/ssh/issued`: a certificate as the service's record has it.
public struct SSHIssuedRecord: Body {
    /// Its serial.
    public let serial: Int64
    /// Whom it is for.
    public let kind: SSHAuthorityKind
    /// What sshd logs of it.
    public let keyID: String
    /// The operator who asked for it; empty for a host's.
    public let operatorName: String
    /// The node that it was asked from, or that it names; nil where that is no node of the fleet.
    public let node: NodeID?
    /// The name, in the tailnet or the fleet, of where it was asked from.
    public let origin: String
    /// The accounts or host names that it is good for.
    public let principals: [String]
    /// The nodes that the statement selects, as it writes them; empty for a host's.
    public let targets: [String]
    /// When it was issued.
    public let issued: UTCTime
    /// From when on it is good.
    public let validAfter: UTCTime
    /// From when on it is good no more.
    public let validBefore: UTCTime
    /// `SHA256:…` of the key that it is about.
    public let fingerprint: String
    /// `SHA256:…` of the CA that signed it.
    public let authority: String
    /// The statement that asked for it; nil for a host's.
    public let statement: StatementID?
    /// When it was revoked; nil while it counts.
    public let revoked: UTCTime?

    /// A record.
    public init(
        serial: Int64,
        kind: SSHAuthorityKind,
        keyID: String,
        operatorName: String,
        node: NodeID?,
        origin: String,
        principals: [String],
        targets: [String],
        issued: UTCTime,
        validAfter: UTCTime,
        validBefore: UTCTime,
        fingerprint: String,
        authority: String,
        statement: StatementID?,
        revoked: UTCTime?
    ) {
        self.serial = serial
        self.kind = kind
        self.keyID = keyID
        self.operatorName = operatorName
        self.node = node
        self.origin = origin
        self.principals = principals
        self.targets = targets
        self.issued = issued
        self.validAfter = validAfter
        self.validBefore = validBefore
        self.fingerprint = fingerprint
        self.authority = authority
        self.statement = statement
        self.revoked = revoked
    }

    /// Reads a record.
    public init(_ fields: JSONFields) throws(JSONError) {
        serial = try fields.integer("serial", in: 1...Int64.max)
        kind = try fields.sshAuthorityKind("kind")
        keyID = try fields.string("key_id", limit: 1024)
        operatorName = try fields.string("operator", limit: 128)
        node = try fields.optional("node") { fields, key throws(JSONError) in try fields.name(key) }
        origin = try fields.string("origin", limit: 256)
        principals = try fields.strings("principals", limit: 256, each: 256)
        targets = try fields.strings("targets", limit: 10_000, each: 256)
        issued = try fields.milliseconds("issued")
        validAfter = try fields.milliseconds("valid_after")
        validBefore = try fields.milliseconds("valid_before")
        fingerprint = try fields.string("fingerprint", limit: 128)
        authority = try fields.string("authority", limit: 128)
        statement = try fields.optional("statement") { fields, key throws(JSONError) in try fields.name(key) }
        revoked = try fields.optional("revoked") { fields, key throws(JSONError) in try fields.milliseconds(key) }
    }

    /// The record as it is sent.
    public var json: JSONValue {
        [
            "serial": .integer(serial), "kind": .string(kind.rawValue), "key_id": .string(keyID),
            "operator": .string(operatorName), "node": JSONValue(node?.text), "origin": .string(origin),
            "principals": .array(principals.map { .string($0) }), "targets": .array(targets.map { .string($0) }),
            "issued": .integer(issued.milliseconds), "valid_after": .integer(validAfter.milliseconds),
            "valid_before": .integer(validBefore.milliseconds), "fingerprint": .string(fingerprint),
            "authority": .string(authority), "statement": JSONValue(statement?.text),
            "revoked": revoked.map { .integer($0.milliseconds) } ?? .null,
        ]
    }
}

/// An entry of `GET /v1/ssh/waiting`: a request for a certificate that policy lets wait for approvals.
public struct SSHWaitingRecord: Body {
    /// The statement with the signatures it has so far: what an approver reads and signs.
    public let statement: SignedStatement
    /// Operators whose valid signature it carries, the requester first.
    public let signers: [OperatorName]
    /// For whom it waits, in words.
    public let missing: String
    /// When it was asked for.
    public let asked: UTCTime
    /// The name or address that it was asked from.
    public let origin: String

    /// A waiting request.
    public init(
        statement: SignedStatement,
        signers: [OperatorName],
        missing: String,
        asked: UTCTime,
        origin: String
    ) {
        self.statement = statement
        self.signers = signers
        self.missing = missing
        self.asked = asked
        self.origin = origin
    }

    /// Reads a waiting request.
    public init(_ fields: JSONFields) throws(JSONError) {
        statement = try SignedStatement(try fields.fields("statement"))
        signers = try fields.names("signers", limit: SignedStatement.signatureLimit)
        missing = try fields.string("missing", limit: 4096)
        asked = try fields.milliseconds("asked")
        origin = try fields.string("origin", limit: 256)
    }

    /// The request as it is sent.
    public var json: JSONValue {
        [
            "statement": statement.json, "signers": JSONValue(signers), "missing": .string(missing),
            "asked": .integer(asked.milliseconds), "origin": .string(origin),
        ]
    }
}

extension JSONFields {
    func sshAuthorityKind(_ key: String) throws(JSONError) -> SSHAuthorityKind {
        let name = try string(key, limit: 32)
        guard let kind = SSHAuthorityKind(rawValue: name) else {
            throw error(key, "'\(name)' is neither 'user' nor 'host'")
        }
        return kind
    }
}
