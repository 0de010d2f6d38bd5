import ByteCoding
import SignatureVerification

/// What is to be revoked, from which the smallest list is written.
public struct SSHRevocations: Hashable, Sendable {
    /// Certificates of one CA.
    public struct Certificates: Hashable, Sendable {
        /// By serial.
        public var serials: SerialSet
        /// By the bytes of the key ID: sshd compares those, and texts that Swift holds for equal may differ in them.
        public var keyIDs: Set<[UInt8]>

        /// Certificates by serial and key ID.
        public init(serials: SerialSet = SerialSet(serials: []), keyIDs: Set<[UInt8]> = []) {
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

    /// A list is kept below this where that is possible, in bytes; below it, what it costs sshd to read it counts.
    public static let sizeGoal = 64_000

    /// The list: the same bytes for the same revocations, version and moment.
    ///
    /// Of the ways to write it the one that costs sshd the least work, as long as it is not longer than `sizeGoal`; where
    /// every way is longer, the shortest.
    public func list(version: UInt64, date: UTCTime, comment: String = "") throws(SSHFormatError) -> SSHRevocationList {
        func list(_ price: SerialSet.Price) throws(SSHFormatError) -> SSHRevocationList {
            try SSHRevocationList(
                version: version,
                date: UInt64(max(0, date.seconds)),
                comment: comment,
                sections: sections(price)
            )
        }
        var best = try list(.leastWork)
        guard best.bytes.count > Self.sizeGoal else { return best }
        best = try list(.leastBytes)
        var (low, high) = (SerialSet.Price.leastBytes.step, SerialSet.Price.leastWork.step)
        while best.bytes.count <= Self.sizeGoal, high - low > 1 {
            let middle = (low + high) / 2
            let found = try list(SerialSet.Price(step: middle))
            if found.bytes.count <= Self.sizeGoal { (best, low) = (found, middle) } else { high = middle }
        }
        return best
    }

    private func sections(_ price: SerialSet.Price) -> [SSHRevocationList.Section] {
        var sections: [SSHRevocationList.Section] = []
        for (authority, named) in certificates.sorted(by: { $0.key.blob.lexicographicallyPrecedes($1.key.blob) }) {
            var parts = named.serials.parts(price)
            let keyIDs = named.keyIDs.sorted { $0.lexicographicallyPrecedes($1) }
            if !keyIDs.isEmpty { parts.append(.keyIDs(keyIDs.map { String(decoding: $0, as: UTF8.self) })) }
            if !parts.isEmpty { sections.append(.certificates(authority: authority, parts)) }
        }
        let hashes = keys.map { Digest.sha256($0.blob) }.sorted { $0.lexicographicallyPrecedes($1) }
        if !hashes.isEmpty { sections.append(.sha256(hashes)) }
        return sections
    }
}
