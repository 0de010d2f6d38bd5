import ByteCoding
import MusterModel

/// The newest update manifest of a node.
public struct StoredManifest: Hashable, Sendable {
    /// Its sequence.
    public let sequence: Int64
    /// When it stops being valid.
    public let expires: UTCTime
    /// Digest of what it tells the node, without sequence and times: the same content needs no new sequence.
    public let content: [UInt8]
    /// The signed envelope as it is sent.
    public let envelope: [UInt8]

    /// A manifest.
    public init(sequence: Int64, expires: UTCTime, content: [UInt8], envelope: [UInt8]) {
        self.sequence = sequence
        self.expires = expires
        self.content = content
        self.envelope = envelope
    }
}

/// Update manifests, the newest of each node.
extension StoreTransaction {
    /// The newest manifest of a node.
    public func manifest(of node: NodeID) throws -> StoredManifest? {
        try sql.row("SELECT sequence, expires, content, envelope FROM manifests WHERE node = $1", [.text(node.text)])
            .map {
                StoredManifest(
                    sequence: try $0.integer(0),
                    expires: UTCTime(milliseconds: try $0.integer(1)),
                    content: try $0.bytes(2),
                    envelope: Array(try $0.text(3).utf8)
                )
            }
    }

    /// Writes the newest manifest of a node; refuses a sequence that does not rise, except from where none is above.
    public func put(_ manifest: StoredManifest, of node: NodeID) throws {
        let changed = try sql.run(
            """
            INSERT INTO manifests (node, sequence, expires, content, envelope) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (node) DO UPDATE SET sequence = $2, expires = $3, content = $4, envelope = $5
            WHERE manifests.sequence < $2 OR manifests.sequence >= $6
            """,
            [
                .text(node.text), .integer(manifest.sequence), .integer(manifest.expires.milliseconds),
                .bytes(manifest.content), .text(String(decoding: manifest.envelope, as: UTF8.self)),
                .integer(UpdateManifest.sequenceLimit),
            ]
        )
        guard changed == 1 else {
            throw StoreError(.conflict, "the manifest sequence \(manifest.sequence) of \(node) does not rise")
        }
    }
}
