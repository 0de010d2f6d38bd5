import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterKeys
import MusterModel
import MusterSigners
import SignatureVerification
import TUF

/// The offline beginning of a fleet: which keys sign what, as metadata of version 1.
///
/// ```
/// root (root keys) -> targets (root keys) -> policy (policy keys), releases (release keys),
///                                            revocations, manifest (service keys, no metadata of their own)
///                  -> snapshot, timestamp (service keys)
/// ```
struct FleetCeremony: Sendable {
    /// Keys of one role and how many of them must sign.
    struct Group: Sendable {
        let keys: [Ed25519SecretKey]
        let threshold: Int

        var tufKeys: [TUFKey] { keys.map { TUFKey(ed25519: $0.publicKey) } }
        var roleKeys: RoleKeys { RoleKeys(keyIDs: tufKeys.map(\.id).sorted(), threshold: threshold) }
    }

    let root: Group
    let release: Group
    let policy: Group
    let service: ServiceDescription.Keys
    let time: UTCTime
    let expiresDays: Int
    /// For how many days the first SSH CAs are trusted.
    var authorityDays = 365

    /// What was made.
    struct Beginning: Sendable {
        let root: [UInt8]
        let targets: [UInt8]
        let releases: [UInt8]
        let policy: [UInt8]
        let policyDocument: [UInt8]
        /// The target `ssh/trust.json`; nil where the service has no keys for certificates.
        let sshTrust: [UInt8]?

        /// The fleet's id.
        var fleet: FleetID? { FleetID(digest: Digest.sha256(root)) }
    }

    /// Signs the beginning.
    func begin(policyDocument: [UInt8]) throws -> Beginning {
        var policyTargets = [TargetFile(path: TrustedView.policyPath, content: policyDocument)]
        let trust = try SSHTrustBeginning(service: service, time: time, days: authorityDays).document()
        if let trust { policyTargets.append(TargetFile(path: SSHTrust.targetPath, content: trust.bytes)) }
        return Beginning(
            root: try signed(try rootMetadata().json, root),
            targets: try signed(try targetsMetadata().json, root),
            releases: try signed(try Targets(version: 1, expires: expires).json, release),
            policy: try signed(try Targets(version: 1, expires: expires, targets: policyTargets).json, policy),
            policyDocument: policyDocument,
            sshTrust: trust?.bytes
        )
    }

    private var expires: UTCTime { time.adding(seconds: Int64(expiresDays) * 86400).wholeSeconds }

    private func rootMetadata() throws(JSONError) -> Root {
        let snapshot = TUFKey(ed25519: service.snapshot)
        let timestamp = TUFKey(ed25519: service.timestamp)
        return try Root(
            version: 1,
            expires: expires,
            keys: root.tufKeys + [snapshot, timestamp],
            roles: [
                .root: root.roleKeys,
                .targets: root.roleKeys,
                .snapshot: RoleKeys(keyIDs: [snapshot.id], threshold: 1),
                .timestamp: RoleKeys(keyIDs: [timestamp.id], threshold: 1),
            ]
        )
    }

    private func targetsMetadata() throws(JSONError) -> Targets {
        let revocations = TUFKey(ed25519: service.revocations)
        let manifest = TUFKey(ed25519: service.manifest)
        return try Targets(
            version: 1,
            expires: expires,
            delegations: try Delegations(
                keys: policy.tufKeys + release.tufKeys + [revocations, manifest],
                roles: .named([
                    DelegatedRole(
                        name: "policy",
                        keys: policy.roleKeys,
                        terminating: true,
                        scope: .paths([TrustedView.policyPath, SSHTrust.targetPath])
                    ),
                    DelegatedRole(
                        name: "releases",
                        keys: release.roleKeys,
                        terminating: true,
                        scope: .paths(["releases/*"])
                    ),
                    DelegatedRole(
                        name: "revocations",
                        keys: RoleKeys(keyIDs: [revocations.id], threshold: 1),
                        terminating: false,
                        scope: .paths(["ssh/revoked.krl"])
                    ),
                    DelegatedRole(
                        name: "manifest",
                        keys: RoleKeys(keyIDs: [manifest.id], threshold: 1),
                        terminating: false,
                        scope: .paths(["manifests/*"])
                    ),
                ])
            )
        )
    }

    private func signed(_ value: JSONValue, _ group: Group) throws(JSONError) -> [UInt8] {
        let bytes = value.canonicalBytes
        let signatures = group.keys.map {
            TUFSignature(keyID: TUFKey(ed25519: $0.publicKey).id, signature: $0.sign(bytes))
        }
        return try SignedEnvelope(signed: value, signatures: signatures).bytes
    }
}
