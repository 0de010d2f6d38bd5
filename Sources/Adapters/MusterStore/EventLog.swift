import ByteCoding
import CanonicalJSON
import SignatureVerification

/// The log of everything that happened: numbered without gaps, never changed, each entry a leaf of a Merkle tree.
///
/// An entry is the canonical JSON of `{"actor", "detail", "sequence", "time", "type"}`; its leaf hash is RFC 6962's,
/// `SHA-256(0x00 || entry)`.
extension StoreTransaction {
    /// Appends an event in this transaction; returns its sequence.
    @discardableResult
    public func append(event type: String, actor: String, detail: JSONValue, at time: UTCTime) throws -> Int64 {
        guard
            let sequence = try sql.row(
                "UPDATE counters SET value = value + 1 WHERE name = 'events' RETURNING value",
                []
            )?.integer(0)
        else { throw StoreError(.corrupt, "the register has lost its event counter") }
        let entry: JSONValue = [
            "sequence": .integer(sequence), "time": .integer(time.milliseconds), "type": .string(type),
            "actor": .string(actor), "detail": detail,
        ]
        let bytes = entry.canonicalBytes
        try sql.run(
            "INSERT INTO events (sequence, time, body, leaf) VALUES ($1, $2, $3, $4)",
            [
                .integer(sequence), .integer(time.milliseconds), .text(String(decoding: bytes, as: UTF8.self)),
                .bytes(Digest.sha256([0] + bytes)),
            ]
        )
        written.count += 1
        return sequence
    }

    /// Entries after `sequence`, oldest first, at most `limit`, as they were written.
    public func events(after sequence: Int64, limit: Int) throws -> [JSONValue] {
        try sql.rows(
            "SELECT body FROM events WHERE sequence > $1 ORDER BY sequence LIMIT $2",
            [.integer(sequence), .integer(Int64(limit))]
        ).map { try JSONValue.parse(Array(try $0.text(0).utf8), limit: 4_000_000) }
    }

    /// Leaf hashes after `sequence`, oldest first, at most `limit`.
    public func leaves(after sequence: Int64, limit: Int) throws -> [[UInt8]] {
        try sql.rows(
            "SELECT leaf FROM events WHERE sequence > $1 ORDER BY sequence LIMIT $2",
            [.integer(sequence), .integer(Int64(limit))]
        ).map { try $0.bytes(0) }
    }

    /// The sequence of the newest entry; 0 before the first.
    public func newestEvent() throws -> Int64 {
        try sql.row("SELECT value FROM counters WHERE name = 'events'", [])?.integer(0) ?? 0
    }
}
