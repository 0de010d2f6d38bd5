import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy
import TUF
import TUFTrust

/// What the repository serves now, and what of it a client would trust at this moment.
struct Publication: Sendable {
    /// The roles that have metadata of their own below the top-level targets role.
    static let delegatedRoles = ["policy", "releases", "revocations"]

    /// The fleet.
    let fleet: FleetID
    /// The newest metadata of each role, byte for byte.
    let metadata: [String: [UInt8]]
    /// What a client trusts that starts from the newest root.
    let trusted: TrustedMetadata
    /// The policy; nil where it is not trusted at the moment, because something expired.
    let policy: FleetPolicy?
    /// Which SSH CAs are trusted; nil where the fleet has no SSH side, or the policy role is not trusted at the moment.
    let sshTrust: SSHTrust?
    /// The releases; none where they are not trusted at the moment.
    let releases: ReleaseIndex
    /// Why something is not trusted at the moment, in words.
    let troubles: [String]

    /// When something that is trusted stops being so; nil while nothing is.
    var validUntil: UTCTime? {
        let targets = [trusted.targets, trusted.delegatedTargets("policy"), trusted.delegatedTargets("releases")]
        return ([trusted.root.expires] + targets.compactMap { $0?.expires }).filter { $0 > trusted.time }.min()
    }

    /// The version of the timestamp.
    var timestampVersion: Int64 { trusted.timestamp?.version ?? 0 }

    /// Verifies metadata as a client does.
    ///
    /// What is named in `strictly` must verify; other roles may have expired, and are then not trusted.
    init(
        fleet: FleetID,
        metadata: [String: [UInt8]],
        policyDocument: [UInt8],
        sshDocument: [UInt8] = [],
        at time: UTCTime,
        strictly: Set<String> = []
    ) throws {
        self.fleet = fleet
        self.metadata = metadata
        var troubles: [String] = []
        func attempt(_ role: String, _ body: ([UInt8]) throws(TUFTrustError) -> Void) throws(TUFTrustError) -> Bool {
            guard let bytes = metadata[role] else { throw TUFTrustError(.missingRole, "\(role): there is none") }
            do throws(TUFTrustError) {
                try body(bytes)
                return true
            } catch {
                guard error.code == .expired, !strictly.contains(role) else { throw error }
                troubles.append(error.message)
                return false
            }
        }
        var trusted = try TrustedMetadata(trustedRoot: metadata["root"] ?? [], time: time)
        let isFresh =
            try attempt("timestamp") { bytes throws(TUFTrustError) in _ = try trusted.updateTimestamp(bytes) }
            && attempt("snapshot") { bytes throws(TUFTrustError) in _ = try trusted.updateSnapshot(bytes) }
            && attempt("targets") { bytes throws(TUFTrustError) in try trusted.updateTargets(bytes) }
        var policy: FleetPolicy?
        var sshTrust: SSHTrust?
        var releases = ReleaseIndex()
        if isFresh {
            let hasPolicy = try attempt("policy") { bytes throws(TUFTrustError) in
                try trusted.updateDelegatedTargets(bytes, role: "policy", delegator: "targets")
            }
            if hasPolicy {
                policy = try Self.policy(policyDocument, trusted)
                sshTrust = try Self.sshTrust(sshDocument, trusted)
            }
            let hasReleases = try attempt("releases") { bytes throws(TUFTrustError) in
                try trusted.updateDelegatedTargets(bytes, role: "releases", delegator: "targets")
            }
            if hasReleases, let targets = trusted.delegatedTargets("releases") { releases = ReleaseIndex(targets) }
            // Fleets made by an older service have none until the first is signed.
            if metadata["revocations"] != nil {
                _ = try attempt("revocations") { bytes throws(TUFTrustError) in
                    try trusted.updateDelegatedTargets(bytes, role: "revocations", delegator: "targets")
                }
            }
        }
        self.trusted = trusted
        self.policy = policy
        self.sshTrust = sshTrust
        self.releases = releases
        self.troubles = troubles
    }

    /// The policy in `document`, which must be the target that trusted metadata names.
    private static func policy(_ document: [UInt8], _ trusted: TrustedMetadata) throws -> FleetPolicy {
        guard let file = trusted.loadedTargetFile(FleetPolicy.targetPath) else {
            throw TUFTrustError(.missingRole, "\(FleetPolicy.targetPath): no trusted role names it")
        }
        var verifier = try TargetVerifier(file)
        try verifier.update(document)
        try verifier.finish()
        return try FleetPolicy(parsing: document)
    }

    /// The SSH CAs in `document`, where trusted metadata name such a target.
    private static func sshTrust(_ document: [UInt8], _ trusted: TrustedMetadata) throws -> SSHTrust? {
        guard let file = trusted.loadedTargetFile(SSHTrust.targetPath) else { return nil }
        var verifier = try TargetVerifier(file)
        try verifier.update(document)
        try verifier.finish()
        return try SSHTrust(parsing: document)
    }
}
