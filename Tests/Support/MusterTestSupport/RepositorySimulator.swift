import ByteCoding
import CanonicalJSON
import SignatureVerification
import TUF

/// A TUF repository in memory, with every key at hand: what an honest repository serves, and what its attackers could.
///
/// Change its parts, publish roles (each time with the next version), and read `files`, named as they are served.
public struct RepositorySimulator: Sendable {
    /// The day the repository was made; tests refresh at this time unless they say otherwise.
    public static let day: UTCTime = UTCTime(seconds: 1_900_000_000)

    /// When metadata published from now on expires, by role; `defaultExpiry` for all others.
    public var expires: [String: UTCTime] = [:]
    /// Thirty days after `day`.
    public var defaultExpiry = day.adding(seconds: 30 * 86400)
    /// Keys that a role's delegator names for it.
    public var keys: [String: [TestKey]] = [:]
    /// Keys that do sign a role, where they are not those that are named.
    public var signers: [String: [TestKey]] = [:]
    /// Thresholds, 1 where not named.
    public var thresholds: [String: Int] = [:]
    /// Versions last published.
    public var versions: [String: Int64] = [:]
    /// Files that a role describes.
    public var targets: [String: [TargetFile]] = [:]
    /// Roles that a role delegates to.
    public var delegations: [String: [DelegatedRole]] = [:]
    /// Hash bins that a role delegates to, instead.
    public var bins: [String: SuccinctRoles] = [:]
    /// Whether snapshot and timestamp name lengths and hashes too.
    public var namesHashes = false
    /// Whether root says that files are named by version and hash.
    public var consistentSnapshot = true
    /// What the next snapshot says of each role.
    public var meta: [String: MetaFile] = [:]
    /// What the next timestamp says of the snapshot.
    public var snapshotMeta = MetaFile(version: 1)
    /// Everything served, by path: `metadata/1.root.json`, `targets/<hash>.name`.
    public var files: [String: [UInt8]] = [:]

    /// A repository with one key for each role, everything published at version 1.
    public init() throws {
        for role in Root.Role.allCases { keys[role.rawValue] = [TestKey(role.rawValue)] }
        try publish("root", "targets", "snapshot", "timestamp")
    }

    /// Root metadata of version 1: what a client is given at first.
    public var firstRoot: [UInt8] { files["metadata/1.root.json"] ?? [] }

    /// Metadata of a role as last published.
    public func current(_ role: String) -> [UInt8] {
        files["metadata/" + fileName(role, versions[role] ?? 0)] ?? []
    }

    /// Publishes roles in this order, each with the next version.
    public mutating func publish(_ roles: String...) throws {
        for role in roles {
            versions[role, default: 0] += 1
            try republish(role)
        }
    }

    /// Publishes targets roles, then the snapshot and the timestamp that name them.
    public mutating func publishTargets(_ roles: String...) throws {
        for role in roles { try publish(role) }
        try publish("snapshot", "timestamp")
    }

    /// Publishes a role at the version it has.
    public mutating func republish(_ role: String) throws {
        try serve(try signed(role), as: role)
    }

    /// Serves `signed` as the metadata of a role, signed by the role's signers.
    public mutating func serve(_ signed: JSONValue, as role: String) throws {
        let version = versions[role] ?? 1
        let envelope = try Self.sign(signed, signers[role] ?? keys[role] ?? [])
        files["metadata/" + fileName(role, version)] = envelope.bytes
        let described = MetaFile(
            version: version,
            length: namesHashes ? envelope.bytes.count : nil,
            hashes: namesHashes ? FileHashes(sha256: Digest.sha256(envelope.bytes)) : nil
        )
        switch role {
        case "root", "timestamp": break
        case "snapshot": snapshotMeta = described
        default: meta[role] = described
        }
    }

    /// Has a role describe a file, and serves its content; the role is to be published next.
    public mutating func add(_ path: String, _ content: [UInt8], to role: String = "targets") {
        let file = TargetFile(path: path, content: content)
        targets[role, default: []].removeAll { $0.path == path }
        targets[role, default: []].append(file)
        guard let address = TargetPath.address(of: file, consistentSnapshot: consistentSnapshot) else { return }
        files["targets/" + address] = content
    }

    /// Has one role delegate to another, with a key of its own unless it has one; both are to be published next.
    public mutating func delegate(
        from delegator: String = "targets",
        to role: String,
        paths: [String] = ["*"],
        terminating: Bool = false,
        keys named: [TestKey]? = nil
    ) {
        let named = named ?? keys[role] ?? [TestKey(role)]
        if keys[role] == nil { keys[role] = named }
        let delegated = DelegatedRole(
            name: role,
            keys: RoleKeys(keyIDs: named.map(\.tuf.id), threshold: thresholds[role] ?? 1),
            terminating: terminating,
            scope: .paths(paths)
        )
        delegations[delegator, default: []].removeAll { $0.name == role }
        delegations[delegator, default: []].append(delegated)
        delegatedKeys[delegator, default: []] += named
    }

    /// The signed part of a role's metadata at its present version.
    public func signed(_ role: String) throws -> JSONValue {
        let version = versions[role] ?? 1
        let expires = expires[role] ?? defaultExpiry
        switch role {
        case "root":
            return try Root(
                version: version,
                expires: expires,
                keys: Root.Role.allCases.flatMap { keys[$0.rawValue] ?? [] }.map(\.tuf),
                roles: Dictionary(
                    uniqueKeysWithValues: Root.Role.allCases.map { ($0, roleKeys($0.rawValue)) }
                ),
                consistentSnapshot: consistentSnapshot
            ).json
        case "timestamp":
            return Timestamp(version: version, expires: expires, snapshot: snapshotMeta).json
        case "snapshot":
            return try Snapshot(version: version, expires: expires, roles: meta).json
        default:
            return try Targets(
                version: version,
                expires: expires,
                targets: targets[role] ?? [],
                delegations: try delegations(of: role)
            ).json
        }
    }

    /// An envelope of `signed` with one signature of each key.
    public static func sign(_ signed: JSONValue, _ keys: [TestKey]) throws -> SignedEnvelope {
        let unsigned = try SignedEnvelope(signed: signed)
        return try SignedEnvelope(signed: signed, signatures: keys.map { $0.sign(unsigned) })
    }

    private var delegatedKeys: [String: [TestKey]] = [:]

    private func roleKeys(_ role: String) -> RoleKeys {
        RoleKeys(keyIDs: (keys[role] ?? []).map(\.tuf.id), threshold: thresholds[role] ?? 1)
    }

    private func delegations(of role: String) throws -> Delegations? {
        if let bins = bins[role] {
            return try Delegations(keys: (keys["bins"] ?? []).map(\.tuf), roles: .succinct(bins))
        }
        guard let named = delegations[role] else { return nil }
        return try Delegations(keys: (delegatedKeys[role] ?? []).map(\.tuf), roles: .named(named))
    }

    private func fileName(_ role: String, _ version: Int64) -> String {
        let name = TargetPath.percentEncoded(role) + ".json"
        return role == "timestamp" || (role != "root" && !consistentSnapshot) ? name : "\(version).\(name)"
    }
}
