import SignatureVerification

extension SSHRevocationList {
    /// What of a certificate or key is revoked.
    public enum Finding: Hashable, Sendable {
        /// The key itself: plain, or the one that a certificate is about.
        case key
        /// The CA's key, and with it everything that it ever signed.
        case authority
        /// The certificate by its serial.
        case serial
        /// The certificate by its key ID.
        case keyID
    }

    /// Why the certificate is revoked, as sshd would find; nil where it is not.
    public func finding(for certificate: SSHCertificate) -> Finding? {
        let content = certificate.content
        if revokes(content.publicKey) { return .key }
        if revokes(content.authority) { return .authority }
        for case .certificates(let authority, let parts) in sections
        where authority == nil || authority == content.authority {
            for part in parts {
                if part.contains(serial: content.serial) { return .serial }
                if part.contains(keyID: content.keyID) { return .keyID }
            }
        }
        return nil
    }

    /// Whether a plain key is revoked.
    public func revokes(_ key: SSHPublicKey) -> Bool {
        var sha256: [UInt8]?
        return sections.contains { section in
            switch section {
            case .certificates: return false
            case .keys(let blobs): return blobs.contains(key.blob)
            case .sha1(let hashes): return hashes.contains(Digest.sha1(key.blob))
            case .sha256(let hashes):
                let hash = sha256 ?? Digest.sha256(key.blob)
                sha256 = hash
                return hashes.contains(hash)
            }
        }
    }

    /// The serials that are revoked of a CA's certificates, those of any CA included.
    public func serials(of authority: SSHPublicKey) -> SerialSet {
        var ranges: [ClosedRange<UInt64>] = []
        for case .certificates(let named, let parts) in sections where named == nil || named == authority {
            for part in parts { ranges += part.ranges }
        }
        return SerialSet(ranges)
    }
}

extension SSHRevocationList.CertificatePart {
    func contains(serial: UInt64) -> Bool {
        guard serial > 0 else { return false }
        switch self {
        case .serials(let serials): return serials.contains(serial)
        case .range(let range): return range.contains(serial)
        case .bitmap(let offset, let bits):
            guard serial >= offset, serial - offset < UInt64(bits.count * 8) else { return false }
            let bit = Int(serial - offset)
            return bits[bits.count - 1 - bit / 8] & (1 << UInt8(bit % 8)) != 0
        case .keyIDs: return false
        }
    }

    func contains(keyID: String) -> Bool {
        guard case .keyIDs(let keyIDs) = self else { return false }
        return keyIDs.contains { $0.utf8.elementsEqual(keyID.utf8) }
    }

    var ranges: [ClosedRange<UInt64>] {
        switch self {
        case .serials(let serials): serials.map { $0...$0 }
        case .range(let range): [range]
        case .bitmap(let offset, let bits):
            (0..<bits.count * 8).compactMap { bit in
                guard bits[bits.count - 1 - bit / 8] & (1 << UInt8(bit % 8)) != 0 else { return nil }
                let serial = offset + UInt64(bit)
                return serial...serial
            }
        case .keyIDs: []
        }
    }
}
