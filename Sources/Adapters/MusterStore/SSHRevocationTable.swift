import ByteCoding
import CanonicalJSON
import MusterModel

/// One revocation.
public struct StoredRevocation: Hashable, Sendable {
    /// The version of the KRL that has it first.
    public let version: Int64
    /// What was revoked, in words.
    public let subject: String
    /// Why.
    public let reason: String
    /// Who did it.
    public let actor: String
    /// When.
    public let time: UTCTime
    /// How many certificates it met.
    public let certificates: Int

    /// A revocation.
    public init(version: Int64, subject: String, reason: String, actor: String, time: UTCTime, certificates: Int) {
        self.version = version
        self.subject = subject
        self.reason = reason
        self.actor = actor
        self.time = time
        self.certificates = certificates
    }
}

/// What is revoked beyond the certificates that were issued.
public struct StoredRevoked: Hashable, Sendable {
    /// What `value` is.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// A serial that was never issued.
        case serial
        /// A key ID.
        case keyID = "key-id"
        /// A key's line.
        case key
    }

    /// What `value` is.
    public let kind: Kind
    /// The 32 bytes of the CA's key; empty for keys.
    public let authority: [UInt8]
    /// What is revoked.
    public let value: String

    /// Something revoked.
    public init(kind: Kind, authority: [UInt8], value: String) {
        self.kind = kind
        self.authority = authority
        self.value = value
    }
}

/// What was revoked, and the versions of the KRL.
extension StoreTransaction {
    /// The version of the newest KRL.
    public func revocationVersion() throws -> Int64 {
        try sql.row("SELECT value FROM counters WHERE name = 'ssh-krl'", [])?.integer(0) ?? 1
    }

    /// Marks certificates as revoked and adds whatever else is, as the next version of the KRL; returns that version.
    ///
    /// Versions are seconds since 1970, or one more than the last: a register that was restored is ahead of every node again
    /// with its first revocation.
    public func revoke(
        serials: [Int64],
        others: [StoredRevoked],
        subject: String,
        reason: String,
        actor: String,
        statement: StatementID?,
        at time: UTCTime
    ) throws -> Int64 {
        let row = try sql.row(
            """
            UPDATE counters SET value = CASE WHEN value < $1 THEN $1 ELSE value + 1 END WHERE name = 'ssh-krl'
            RETURNING value
            """,
            [.integer(time.seconds)]
        )
        guard let version = try row?.integer(0) else {
            throw StoreError(.corrupt, "the register has lost its counter of KRL versions")
        }
        for serial in serials {
            try sql.run(
                "UPDATE ssh_certificates SET revoked = $2 WHERE serial = $1 AND revoked IS NULL",
                [.integer(serial), .integer(time.milliseconds)]
            )
        }
        for other in others {
            try sql.run(
                """
                INSERT INTO ssh_revoked (kind, authority, value, version) VALUES ($1, $2, $3, $4)
                ON CONFLICT (kind, authority, value) DO NOTHING
                """,
                [
                    .text(other.kind.rawValue), .bytes(other.authority), .text(other.value), .integer(version),
                ]
            )
        }
        try sql.run(
            """
            INSERT INTO ssh_revocations (version, subject, reason, actor, time, certificates, statement)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            """,
            [
                .integer(version), .text(subject), .text(reason), .text(actor), .integer(time.milliseconds),
                .integer(Int64(serials.count)), .optional(statement?.text),
            ]
        )
        return version
    }

    /// The newest revocations, the newest first, at most `limit`.
    public func revocations(limit: Int) throws -> [StoredRevocation] {
        try sql.rows(
            """
            SELECT version, subject, reason, actor, time, certificates FROM ssh_revocations
            ORDER BY version DESC LIMIT $1
            """,
            [.integer(Int64(limit))]
        ).map { row in
            StoredRevocation(
                version: try row.integer(0),
                subject: try row.text(1),
                reason: try row.text(2),
                actor: try row.text(3),
                time: UTCTime(milliseconds: try row.integer(4)),
                certificates: Int(try row.integer(5))
            )
        }
    }

    /// Serials that were revoked, with their CA's key, of certificates good after `end`, in order.
    public func revokedSerials(goodAfter end: UTCTime) throws -> [(serial: Int64, authority: [UInt8])] {
        try sql.rows(
            """
            SELECT serial, authority FROM ssh_certificates
            WHERE revoked IS NOT NULL AND valid_before > $1 ORDER BY serial
            """,
            [.integer(end.milliseconds)]
        ).map { (try $0.integer(0), try $0.bytes(1)) }
    }

    /// What else is revoked.
    public func revokedOthers() throws -> [StoredRevoked] {
        try sql.rows("SELECT kind, authority, value FROM ssh_revoked ORDER BY kind, value", []).map { row in
            let name = try row.text(0)
            guard let kind = StoredRevoked.Kind(rawValue: name) else {
                throw StoreError(.corrupt, "'\(name)' in the register is nothing that can be revoked")
            }
            return StoredRevoked(kind: kind, authority: try row.bytes(1), value: try row.text(2))
        }
    }

    /// Events after `sequence` of these types, oldest first, and the last sequence that was looked at.
    ///
    /// Looks at `limit` events at most; whoever wants all goes on from the sequence returned.
    public func events(
        after sequence: Int64,
        types: [String],
        limit: Int
    ) throws -> (events: [JSONValue], last: Int64) {
        // Members stand in the order of their names, so the type is the last.
        let endings = types.map { "\"type\":\"\($0)\"}" }
        var last = sequence
        var found: [JSONValue] = []
        let rows = try sql.rows(
            "SELECT sequence, body FROM events WHERE sequence > $1 ORDER BY sequence LIMIT $2",
            [.integer(sequence), .integer(Int64(limit))]
        )
        for row in rows {
            last = try row.integer(0)
            let body = try row.text(1)
            guard endings.contains(where: body.hasSuffix) else { continue }
            found.append(try JSONValue.parse(Array(body.utf8), limit: 4_000_000))
        }
        return (found, last)
    }
}
