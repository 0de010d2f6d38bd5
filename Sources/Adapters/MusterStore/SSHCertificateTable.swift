import ByteCoding
import MusterModel

/// An SSH certificate as the register has it: written before the certificate leaves.
public struct StoredCertificate: Hashable, Sendable {
    /// Its serial, from the one sequence of both CAs.
    public let serial: Int64
    /// Whom it is for.
    public let kind: SSHAuthorityKind
    /// What sshd logs of it.
    public let keyID: String
    /// The statement that asked for it; nil for a host's, and for a run's, which may have several.
    public let statement: StatementID?
    /// The operator who asked for it; nil for a host's.
    public let requester: OperatorName?
    /// The node that it was asked from, where that is one of the fleet, or that it names.
    public let node: NodeID?
    /// What the tailnet calls where it was asked from, for people.
    public let origin: String
    /// The tailnet's id of where it was asked from.
    public let identity: String
    /// The accounts or host names that it is good for.
    public let principals: [String]
    /// The nodes that the statement selects, as it writes them.
    public let targets: [String]
    /// `SHA256:…` of the key that it is about.
    public let fingerprint: String
    /// The 32 bytes of the CA's key.
    public let authority: [UInt8]
    /// When it was issued.
    public let issued: UTCTime
    /// From when on it is good.
    public let validAfter: UTCTime
    /// From when on it is good no more.
    public let validBefore: UTCTime
    /// The certificate itself; nil once it is over.
    public let certificate: [UInt8]?
    /// When it was revoked; nil while it counts.
    public let revoked: UTCTime?

    /// A certificate.
    public init(
        serial: Int64,
        kind: SSHAuthorityKind,
        keyID: String,
        statement: StatementID?,
        requester: OperatorName?,
        node: NodeID?,
        origin: String,
        identity: String,
        principals: [String],
        targets: [String],
        fingerprint: String,
        authority: [UInt8],
        issued: UTCTime,
        validAfter: UTCTime,
        validBefore: UTCTime,
        certificate: [UInt8]?,
        revoked: UTCTime? = nil
    ) {
        self.serial = serial
        self.kind = kind
        self.keyID = keyID
        self.statement = statement
        self.requester = requester
        self.node = node
        self.origin = origin
        self.identity = identity
        self.principals = principals
        self.targets = targets
        self.fingerprint = fingerprint
        self.authority = authority
        self.issued = issued
        self.validAfter = validAfter
        self.validBefore = validBefore
        self.certificate = certificate
        self.revoked = revoked
    }

    init(_ row: SQLRow) throws(StoreError) {
        serial = try row.integer(0)
        let name = try row.text(1)
        guard let kind = SSHAuthorityKind(rawValue: name) else {
            throw StoreError(.corrupt, "'\(name)' in the register is no kind of certificate")
        }
        self.kind = kind
        keyID = try row.text(2)
        statement = row.isNull(3) ? nil : try StoredName.read(try row.text(3))
        requester = row.isNull(4) ? nil : try StoredName.read(try row.text(4))
        node = row.isNull(5) ? nil : try StoredName.read(try row.text(5))
        origin = try row.text(6)
        identity = try row.text(7)
        principals = try row.text(8).split(separator: ",").map { String($0) }
        targets = try row.text(9).split(separator: ",").map { String($0) }
        fingerprint = try row.text(10)
        authority = try row.bytes(11)
        issued = UTCTime(milliseconds: try row.integer(12))
        validAfter = UTCTime(milliseconds: try row.integer(13))
        validBefore = UTCTime(milliseconds: try row.integer(14))
        certificate = row.isNull(15) ? nil : try row.bytes(15)
        revoked = row.isNull(16) ? nil : UTCTime(milliseconds: try row.integer(16))
    }
}

/// SSH certificates and their serials.
extension StoreTransaction {
    static let certificateColumns = """
        serial, kind, key_id, statement, requester, node, origin, identity, principals, targets, fingerprint, authority,
        issued, valid_after, valid_before, certificate, revoked
        """

    /// Takes the next `count` serials out of the sequence; once this is on disk nobody else gets them.
    public func takeSerials(_ count: Int64) throws -> ClosedRange<Int64> {
        guard
            let last = try sql.row(
                "UPDATE counters SET value = value + $1 WHERE name = 'ssh-serial' RETURNING value",
                [.integer(count)]
            )?.integer(0)
        else { throw StoreError(.corrupt, "the register has lost its counter of serials") }
        return (last - count + 1)...last
    }

    /// Adds a certificate; false where its statement has one already.
    public func add(_ certificate: StoredCertificate) throws -> Bool {
        // Neither principals nor selectors can hold a comma.
        try sql.run(
            """
            INSERT INTO ssh_certificates (\(Self.certificateColumns))
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, NULL)
            ON CONFLICT (statement) DO NOTHING
            """,
            [
                .integer(certificate.serial), .text(certificate.kind.rawValue), .text(certificate.keyID),
                .optional(certificate.statement?.text), .optional(certificate.requester?.text),
                .optional(certificate.node?.text), .text(certificate.origin), .text(certificate.identity),
                .text(certificate.principals.joined(separator: ",")),
                .text(certificate.targets.joined(separator: ",")), .text(certificate.fingerprint),
                .bytes(certificate.authority), .integer(certificate.issued.milliseconds),
                .integer(certificate.validAfter.milliseconds), .integer(certificate.validBefore.milliseconds),
                certificate.certificate.map { .bytes($0) } ?? .null,
            ]
        ) == 1
    }

    /// The certificate with a serial.
    public func certificate(serial: Int64) throws -> StoredCertificate? {
        try certificates("serial = $1", [.integer(serial)]).first
    }

    /// The certificate that a statement asked for.
    public func certificate(for statement: StatementID) throws -> StoredCertificate? {
        try certificates("statement = $1", [.text(statement.text)]).first
    }

    /// Certificates with serials above `serial`, oldest first, at most `limit`; those of `requester` or `node`, where
    /// given, and those that are good after `end`.
    public func certificates(
        after serial: Int64,
        requester: OperatorName?,
        node: NodeID?,
        goodAfter end: UTCTime?,
        limit: Int
    ) throws -> [StoredCertificate] {
        try certificates(
            """
            serial > $1 AND ($2 IS NULL OR requester = $2) AND ($3 IS NULL OR node = $3)
            AND valid_before > $4 ORDER BY serial LIMIT $5
            """,
            [
                .integer(serial), .optional(requester?.text), .optional(node?.text),
                .integer(end?.milliseconds ?? 0), .integer(Int64(limit)),
            ]
        )
    }

    /// Certificates that are good after `end` and not revoked.
    public func unrevokedCertificates(goodAfter end: UTCTime) throws -> [StoredCertificate] {
        try certificates(
            "valid_before > $1 AND revoked IS NULL ORDER BY serial",
            [.integer(end.milliseconds)]
        )
    }

    /// Those of them that hang on a node: asked for from it, or its host certificates.
    public func unrevokedCertificates(goodAfter end: UTCTime, of node: NodeID) throws -> [StoredCertificate] {
        try certificates(
            "valid_before > $1 AND revoked IS NULL AND node = $2 ORDER BY serial",
            [.integer(end.milliseconds), .text(node.text)]
        )
    }

    /// How many certificates with this key ID are good after `end`.
    public func countCertificates(keyID: String, goodAfter end: UTCTime) throws -> Int64 {
        try sql.row(
            "SELECT COUNT(*) FROM ssh_certificates WHERE key_id = $1 AND valid_before > $2 AND revoked IS NULL",
            [.text(keyID), .integer(end.milliseconds)]
        )?.integer(0) ?? 0
    }

    /// The newest certificate of a node's host key.
    public func hostCertificate(
        of node: NodeID,
        fingerprint: String,
        goodAfter end: UTCTime
    ) throws
        -> StoredCertificate?
    {
        try certificates(
            """
            kind = 'host' AND node = $1 AND fingerprint = $2 AND valid_before > $3 ORDER BY serial DESC LIMIT 1
            """,
            [.text(node.text), .text(fingerprint), .integer(end.milliseconds)]
        ).first
    }

    /// Forgets the bytes of certificates that were over before `moment`; what they said stays.
    public func forgetCertificates(overBefore moment: UTCTime) throws {
        try sql.run(
            "UPDATE ssh_certificates SET certificate = NULL WHERE valid_before < $1 AND certificate IS NOT NULL",
            [.integer(moment.milliseconds)]
        )
    }

    /// Most rogue logins that are noted of one node: one that tells lies fills neither the register nor anybody's mail.
    public static let rogueLoginLimit = 1000

    /// Notes a login with a certificate that was never issued; false where it was noted before, or too many were.
    public func addRogueLogin(node: NodeID, serial: Int64, keyID: String, seen: UTCTime) throws -> Bool {
        try sql.run(
            """
            INSERT INTO ssh_rogue_logins (node, serial, key_id, seen) SELECT $1, $2, $3, $4
            WHERE (SELECT COUNT(*) FROM ssh_rogue_logins WHERE node = $1) < $5 ON CONFLICT DO NOTHING
            """,
            [
                .text(node.text), .integer(serial), .text(keyID), .integer(seen.milliseconds),
                .integer(Int64(Self.rogueLoginLimit)),
            ]
        ) == 1
    }

    private func certificates(_ condition: String, _ values: [SQLValue]) throws -> [StoredCertificate] {
        try sql.rows("SELECT \(Self.certificateColumns) FROM ssh_certificates WHERE \(condition)", values)
            .map { try StoredCertificate($0) }
    }
}
