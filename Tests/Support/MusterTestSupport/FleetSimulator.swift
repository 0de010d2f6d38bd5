import ByteCoding
import CanonicalJSON
import MusterModel
import SignatureVerification
import TUF

/// A whole fleet's signed documents in memory, with every key at hand: what an honest service would serve, and what an
/// attacker who holds some of the keys could.
///
/// Change its parts, call `publish`, and serve `files`, whose names are the paths below `/tuf/`.
public struct FleetSimulator: Sendable {
    /// Three root keys, of which two must sign.
    public var rootKeys = [TestKey("root-1"), TestKey("root-2"), TestKey("root-3")]
    /// Signatures that root and targets need.
    public var rootThreshold = 2
    /// Release keys; all must sign.
    public var releaseKeys = [TestKey("release-1")]
    /// Policy keys; all must sign.
    public var policyKeys = [TestKey("policy-1")]
    /// The service's key of the snapshot role: like the next three, what a thief of the service has.
    public var snapshotKey = TestKey("service-snapshot")
    /// The service's key of the timestamp role.
    public var timestampKey = TestKey("service-timestamp")
    /// The service's key of update manifests.
    public var manifestKey = TestKey("service-manifest")
    /// The service's key of the revocations role.
    public var revocationsKey = TestKey("service-revocations")

    /// The moment that documents are issued at.
    public var time: UTCTime
    /// Seconds that offline roles are good for.
    public var offlineLifetime: Int64 = 365 * 86400
    /// Seconds that snapshot and timestamp are good for.
    public var onlineLifetime: Int64 = 86400

    /// Version of the root.
    public var rootVersion: Int64 = 1
    /// Version of the top-level targets metadata.
    public var targetsVersion: Int64 = 1
    /// Version of the releases metadata.
    public var releasesVersion: Int64 = 1
    /// Version of the policy metadata.
    public var policyVersion: Int64 = 1
    /// Version of the snapshot.
    public var snapshotVersion: Int64 = 1
    /// Version of the timestamp.
    public var timestampVersion: Int64 = 1

    /// Top-level targets metadata to publish as they are, for a thief who cannot sign others.
    public var keptTargets: [UInt8]?

    /// The policy document, a target file.
    public var policyDocument: JSONValue
    /// `ssh/trust.json`, a target file; nil for a fleet without an SSH side.
    public var sshTrust: SSHTrust?
    /// The file where it is to be another than `sshTrust`, and perhaps make no sense.
    public var sshTrustBytes: [UInt8]?
    /// `ssh/revoked.krl`, a target of the revocations role; nil before anything was revoked.
    public var revocationList: [UInt8]?
    /// Version of the revocations metadata, and what they say of the list's version.
    public var revocationsVersion: Int64 = 0
    /// Package files by target path.
    public var packages: [String: [UInt8]] = [:]
    /// What the release managers say of them.
    public var descriptions: [String: ReleaseDescription] = [:]

    /// Everything served, by path below `/tuf/`, such as `metadata/1.root.json`.
    public private(set) var files: [String: [UInt8]] = [:]
    /// The fleet: the digest of the first root published.
    public private(set) var fleet: FleetID

    /// A fleet whose policy lets `ada` do everything, and `ben` too after one approval by another.
    public init(time: UTCTime) throws {
        self.time = time.wholeSeconds
        policyDocument = .null
        guard let none = FleetID(digest: [UInt8](repeating: 0, count: 32)) else { throw Failure.impossible }
        fleet = none
        policyDocument = try Self.defaultPolicy(time: self.time)
        try publish()
        guard let root = files["metadata/1.root.json"], let fleet = FleetID(digest: Digest.sha256(root)) else {
            throw Failure.impossible
        }
        self.fleet = fleet
    }

    /// What only a broken simulator throws.
    public enum Failure: Error {
        case impossible
    }

    /// Adds a package file with its description as a release.
    public mutating func add(_ path: String, _ bytes: [UInt8], _ description: ReleaseDescription) {
        packages[path] = bytes
        descriptions[path] = description
    }

    /// Signs everything at its present version and puts it among `files`.
    public mutating func publish() throws {
        try put(root(), "metadata/\(rootVersion).root.json")
        let targets = try keptTargets ?? topLevelTargets().bytes
        files["metadata/\(targetsVersion).targets.json"] = targets
        let releases = try put(try self.releases(), "metadata/\(releasesVersion).releases.json")
        let policy = try put(try self.policy(), "metadata/\(policyVersion).policy.json")
        for (path, bytes) in packages { files["targets/" + Self.hashed(path, bytes)] = bytes }
        let document = policyDocument.canonicalBytes
        files["targets/" + Self.hashed("policy/fleet.json", document)] = document
        var roles = [
            "targets": MetaFile(version: targetsVersion, length: targets.count),
            "releases": MetaFile(version: releasesVersion, length: releases.count),
            "policy": MetaFile(version: policyVersion, length: policy.count),
        ]
        try publishSSH(&roles)
        let snapshot = try Snapshot(
            version: snapshotVersion,
            expires: time.adding(seconds: onlineLifetime),
            roles: roles
        )
        let snapshotBytes = try put(
            try sign(snapshot.json, [snapshotKey]),
            "metadata/\(snapshotVersion).snapshot.json"
        )
        let timestamp = Timestamp(
            version: timestampVersion,
            expires: time.adding(seconds: onlineLifetime),
            snapshot: MetaFile(version: snapshotVersion, length: snapshotBytes.count)
        )
        try put(try sign(timestamp.json, [timestampKey]), "metadata/timestamp.json")
    }

    /// Puts the files of the SSH side among those that are served.
    private mutating func publishSSH(_ roles: inout [String: MetaFile]) throws {
        if let trust = sshTrustBytes ?? sshTrust?.bytes {
            files["targets/" + Self.hashed(SSHTrust.targetPath, trust)] = trust
        }
        guard let list = revocationList else { return }
        files["targets/" + Self.hashed("ssh/revoked.krl", list)] = list
        let metadata = try put(try revocations(list), "metadata/\(revocationsVersion).revocations.json")
        roles["revocations"] = MetaFile(version: revocationsVersion, length: metadata.count)
    }

    /// Publishes a first root of other keys, which makes it another fleet.
    public mutating func publishAnotherFleet() throws {
        try publish()
        guard let root = files["metadata/1.root.json"], let fleet = FleetID(digest: Digest.sha256(root)) else {
            throw Failure.impossible
        }
        self.fleet = fleet
    }

    /// Raises the versions of releases, snapshot and timestamp, then publishes.
    public mutating func publishReleases() throws {
        releasesVersion += 1
        snapshotVersion += 1
        timestampVersion += 1
        try publish()
    }

    /// The file name below `/tuf/targets/` under a consistent snapshot.
    public static func hashed(_ path: String, _ bytes: [UInt8]) -> String {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        let folder = parts.dropLast().map { $0 + "/" }.joined()
        return folder + Hex.encode(Digest.sha256(bytes)) + "." + (parts.last ?? "")
    }

    /// Replaces or adds one served file.
    public mutating func serve(_ bytes: [UInt8]?, at path: String) {
        files[path] = bytes
    }

    // MARK: Documents

    /// Root metadata of the present version.
    public func root() throws -> SignedEnvelope {
        let ids = rootKeys.map(\.tuf.id)
        let root = try Root(
            version: rootVersion,
            expires: time.adding(seconds: offlineLifetime),
            keys: (rootKeys + [snapshotKey, timestampKey]).map(\.tuf),
            roles: [
                .root: RoleKeys(keyIDs: ids, threshold: rootThreshold),
                .targets: RoleKeys(keyIDs: ids, threshold: rootThreshold),
                .snapshot: RoleKeys(keyIDs: [snapshotKey.tuf.id], threshold: 1),
                .timestamp: RoleKeys(keyIDs: [timestampKey.tuf.id], threshold: 1),
            ]
        )
        return try sign(root.json, Array(rootKeys.prefix(rootThreshold)))
    }

    private func topLevelTargets() throws -> SignedEnvelope {
        func role(_ name: String, _ keys: [TestKey], _ paths: [String]) -> DelegatedRole {
            DelegatedRole(
                name: name,
                keys: RoleKeys(keyIDs: keys.map(\.tuf.id), threshold: keys.count),
                terminating: true,
                scope: .paths(paths)
            )
        }
        let delegations = try Delegations(
            keys: (policyKeys + releaseKeys + [manifestKey, revocationsKey]).map(\.tuf),
            roles: .named([
                role("policy", policyKeys, ["policy/fleet.json", "ssh/trust.json"]),
                role("releases", releaseKeys, ["releases/*"]),
                role("revocations", [revocationsKey], ["ssh/revoked.krl"]),
                role("manifest", [manifestKey], ["manifests/*"]),
            ])
        )
        let targets = try Targets(
            version: targetsVersion,
            expires: time.adding(seconds: offlineLifetime),
            delegations: delegations
        )
        return try sign(targets.json, Array(rootKeys.prefix(rootThreshold)))
    }

    private func releases() throws -> SignedEnvelope {
        let files = packages.sorted { $0.key < $1.key }.map { path, bytes in
            TargetFile(path: path, content: bytes, custom: descriptions[path]?.custom)
        }
        let targets = try Targets(
            version: releasesVersion,
            expires: time.adding(seconds: offlineLifetime),
            targets: files
        )
        return try sign(targets.json, releaseKeys)
    }

    private func policy() throws -> SignedEnvelope {
        var files = [TargetFile(path: "policy/fleet.json", content: policyDocument.canonicalBytes)]
        if let trust = sshTrustBytes ?? sshTrust?.bytes {
            files.append(TargetFile(path: SSHTrust.targetPath, content: trust))
        }
        let targets = try Targets(
            version: policyVersion,
            expires: time.adding(seconds: offlineLifetime),
            targets: files
        )
        return try sign(targets.json, policyKeys)
    }

    private func revocations(_ list: [UInt8]) throws -> SignedEnvelope {
        let file = TargetFile(
            path: "ssh/revoked.krl",
            content: list,
            custom: ["muster": ["krl_version": .integer(revocationsVersion)]]
        )
        let targets = try Targets(
            version: revocationsVersion,
            expires: time.adding(seconds: onlineLifetime),
            targets: [file]
        )
        return try sign(targets.json, [revocationsKey])
    }

    /// An envelope of `signed` with one signature of each key.
    public func sign(_ signed: JSONValue, _ keys: [TestKey]) throws -> SignedEnvelope {
        let unsigned = try SignedEnvelope(signed: signed)
        return try SignedEnvelope(signed: signed, signatures: keys.map { $0.sign(unsigned) })
    }

    @discardableResult
    private mutating func put(_ envelope: SignedEnvelope, _ path: String) throws -> [UInt8] {
        files[path] = envelope.bytes
        return envelope.bytes
    }
}
