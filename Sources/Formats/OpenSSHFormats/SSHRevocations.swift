import ByteCoding
import SignatureVerification

/// What is to be revoked, from which the smallest list is written.
public struct SSHRevocations: Hashable, Sendable {
    /// Certificates of one CA.
    public struct Certificates: Hashable, Sendable {
        /// By serial.
        public var serials: SerialSet
        /// By key ID.
        public var keyIDs: Set<String>

        /// Certificates by serial and key ID.
        public init(serials: SerialSet = SerialSet(serials: []), keyIDs: Set<String> = []) {
            self.serials = serials
            self.keyIDs = keyIDs
        }
    }

    /// Certificates by their CA.
    public var certificates: [SSHPublicKey: Certificates]
    /// Keys, plain or certified; a CA's key revokes everything that it ever signed.
    public var keys: Set<SSHPublicKey>

    /// Nothing yet, or these.
    public init(certificates: [SSHPublicKey: Certificates] = [:], keys: Set<SSHPublicKey> = []) {
        self.certificates = certificates
        self.keys = keys
    }

    /// The list: the same bytes for the same revocations, version and moment.
    public func list(version: UInt64, date: UTCTime, comment: String = "") throws(SSHFormatError) -> SSHRevocationList {
        var sections: [SSHRevocationList.Section] = []
        for (authority, named) in certificates.sorted(by: { $0.key.blob.lexicographicallyPrecedes($1.key.blob) }) {
            var parts = named.serials.parts
            let keyIDs = named.keyIDs.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            if !keyIDs.isEmpty { parts.append(.keyIDs(keyIDs)) }
            if !parts.isEmpty { sections.append(.certificates(authority: authority, parts)) }
        }
        let hashes = keys.map { Digest.sha256($0.blob) }.sorted { $0.lexicographicallyPrecedes($1) }
        if !hashes.isEmpty { sections.append(.sha256(hashes)) }
        return try SSHRevocationList(
            version: version,
            date: UInt64(max(0, date.seconds)),
            comment: comment,
            sections: sections
        )
    }
}
