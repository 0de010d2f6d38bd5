import ByteCoding
import CanonicalJSON
import MusterSigners
import SignatureVerification
import TUF

/// How long the metadata that the service signs is good; it is signed anew at half of that.
struct FreshnessLifetimes: Sendable {
    /// Seconds of a snapshot.
    var snapshot: Int64 = 7 * 86400
    /// Seconds of a timestamp.
    var timestamp: Int64 = 86400
}

/// Signs snapshot and timestamp over the metadata that owners signed offline, and the revocations.
struct MetadataSigning: Sendable {
    let keys: ServiceKeys
    let lifetimes: FreshnessLifetimes

    /// A snapshot of these roles.
    func snapshot(version: Int64, roles: [String: [UInt8]], at time: UTCTime) async throws -> [UInt8] {
        var files: [String: MetaFile] = [:]
        for (role, bytes) in roles {
            let envelope = try SignedEnvelope(parsing: bytes, limit: 5_000_000)
            guard let version = envelope.signedNode["version"]?.integer else { continue }
            files[role] = MetaFile(
                version: version,
                length: bytes.count,
                hashes: FileHashes(sha256: Digest.sha256(bytes))
            )
        }
        let expires = time.adding(seconds: lifetimes.snapshot).wholeSeconds
        let snapshot = try Snapshot(version: version, expires: expires, roles: files)
        return try await sign(SignedEnvelope(signed: snapshot.json), keys.snapshot)
    }

    /// A timestamp that names this snapshot.
    func timestamp(version: Int64, snapshot: [UInt8], snapshotVersion: Int64, at time: UTCTime) async throws -> [UInt8]
    {
        let timestamp = Timestamp(
            version: version,
            expires: time.adding(seconds: lifetimes.timestamp).wholeSeconds,
            snapshot: MetaFile(
                version: snapshotVersion,
                length: snapshot.count,
                hashes: FileHashes(sha256: Digest.sha256(snapshot))
            )
        )
        return try await sign(SignedEnvelope(signed: timestamp.json), keys.timestamp)
    }

    /// Revocations that name this KRL; they live as long as a snapshot.
    func revocations(version: Int64, list: [UInt8], listVersion: Int64, at time: UTCTime) async throws -> [UInt8] {
        let targets = try RevocationMetadata.targets(
            version: version,
            expires: time.adding(seconds: lifetimes.snapshot).wholeSeconds,
            list: list,
            listVersion: listVersion
        )
        return try await sign(SignedEnvelope(signed: targets.json), keys.revocations)
    }

    private func sign(_ envelope: SignedEnvelope, _ signer: any Signer) async throws -> [UInt8] {
        let signature = try await signer.sign(envelope.canonicalBytes)
        return try envelope.adding(
            TUFSignature(keyID: TUFKey(ed25519: signer.publicKey).id, signature: signature)
        ).bytes
    }
}
