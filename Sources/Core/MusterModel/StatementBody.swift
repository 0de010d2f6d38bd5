import ByteCoding
import CanonicalJSON

/// What a statement asks for, by type.
public enum StatementBody: Hashable, Sendable {
    case enroll(EnrollBody)
    case tagNode(TagNodeBody)
    case upgrade(UpgradeBody)
    case rollBack(UpgradeBody)
    case extendNode(ExtendNodeBody)
    case exemptNode(ExemptNodeBody)
    case removeNode(RemoveNodeBody)
    case sshCertificate(SSHCertificateBody)
    case revoke(RevokeBody)
    case run(RunBody)

    init(_ type: StatementType, _ fields: JSONFields) throws(JSONError) {
        switch type {
        case .enroll: self = .enroll(try EnrollBody(fields))
        case .tagNode: self = .tagNode(try TagNodeBody(fields))
        case .upgrade: self = .upgrade(try UpgradeBody(fields))
        case .rollBack: self = .rollBack(try UpgradeBody(fields))
        case .extendNode: self = .extendNode(try ExtendNodeBody(fields))
        case .exemptNode: self = .exemptNode(try ExemptNodeBody(fields))
        case .removeNode: self = .removeNode(try RemoveNodeBody(fields))
        case .sshCertificate: self = .sshCertificate(try SSHCertificateBody(fields))
        case .revoke: self = .revoke(try RevokeBody(fields))
        case .run: self = .run(try RunBody(fields))
        }
    }

    /// The kind of thing asked for.
    public var type: StatementType {
        switch self {
        case .enroll: .enroll
        case .tagNode: .tagNode
        case .upgrade: .upgrade
        case .rollBack: .rollBack
        case .extendNode: .extendNode
        case .exemptNode: .exemptNode
        case .removeNode: .removeNode
        case .sshCertificate: .sshCertificate
        case .revoke: .revoke
        case .run: .run
        }
    }

    /// The package change asked for by an `upgrade` or `roll-back`.
    public var packageChange: UpgradeBody? {
        switch self {
        case .upgrade(let body), .rollBack(let body): body
        default: nil
        }
    }

    var members: JSONObject {
        switch self {
        case .enroll(let body): body.members
        case .tagNode(let body): body.members
        case .upgrade(let body), .rollBack(let body): body.members
        case .extendNode(let body): body.members
        case .exemptNode(let body): body.members
        case .removeNode(let body): body.members
        case .sshCertificate(let body): body.members
        case .revoke(let body): body.members
        case .run(let body): body.members
        }
    }
}

/// `enroll`: which nodes may join, and with which tags.
public struct EnrollBody: Hashable, Sendable {
    /// How a joining node shows that it is meant.
    public enum Proof: Hashable, Sendable {
        /// It knows the secret with this SHA-256; at most `uses` nodes may use it (counted by the service).
        case secret(sha256: [UInt8], uses: Int)
        /// It holds this Ed25519 node key, which an operator saw waiting and approved.
        case nodeKey([UInt8])
    }

    /// The tags that the node gets.
    public let tags: [Tag]
    /// How a joining node shows that it is meant.
    public let proof: Proof

    /// An `enroll` body.
    public init(tags: [Tag], proof: Proof) {
        self.tags = tags
        self.proof = proof
    }

    init(_ fields: JSONFields) throws(JSONError) {
        tags = try fields.names("tags", limit: 64)
        if fields.has("node_key") {
            guard !fields.has("secret_sha256") else { throw fields.error("node_key", "stands beside secret_sha256") }
            proof = .nodeKey(try fields.hex("node_key", count: 32))
        } else {
            proof = .secret(
                sha256: try fields.hex("secret_sha256", count: 32),
                uses: Int(try fields.integer("uses", in: 1...100_000))
            )
        }
    }

    var members: JSONObject {
        switch proof {
        case .secret(let sha256, let uses):
            ["tags": JSONValue(tags), "secret_sha256": .string(Hex.encode(sha256)), "uses": JSONValue(uses)]
        case .nodeKey(let key):
            ["tags": JSONValue(tags), "node_key": .string(Hex.encode(key))]
        }
    }
}

/// `tag-node`: the whole new set of tags of one node.
///
/// The only way in which a node's tags ever change.
public struct TagNodeBody: Hashable, Sendable {
    /// The node.
    public let node: NodeID
    /// Its tags from now on.
    public let tags: [Tag]

    /// A `tag-node` body.
    public init(node: NodeID, tags: [Tag]) {
        self.node = node
        self.tags = tags
    }

    init(_ fields: JSONFields) throws(JSONError) {
        node = try fields.name("node")
        tags = try fields.names("tags", limit: 64)
    }

    var members: JSONObject { ["node": JSONValue(node), "tags": JSONValue(tags)] }
}

/// `upgrade` and `roll-back`: which package files, on which nodes, in which stages.
public struct UpgradeBody: Hashable, Sendable {
    /// One package file as the release managers signed it.
    public struct Target: Hashable, Sendable {
        /// Its TUF target path, such as `releases/hello_2.10-3_amd64.deb`.
        public let path: String
        /// Its length in bytes.
        public let length: Int64
        /// Its SHA-256.
        public let sha256: [UInt8]

        /// A package file.
        public init(path: String, length: Int64, sha256: [UInt8]) {
            self.path = path
            self.length = length
            self.sha256 = sha256
        }
    }

    /// The package's name.
    public let package: String
    /// The version that the nodes shall have.
    public let version: String
    /// Its files, one for each architecture, 1 to 16.
    public let targets: [Target]
    /// The nodes that it is for.
    public let nodes: [NodeSelector]
    /// How it spreads.
    public let strategy: RolloutStrategy

    /// A body of these parts.
    public init(package: String, version: String, targets: [Target], nodes: [NodeSelector], strategy: RolloutStrategy) {
        self.package = package
        self.version = version
        self.targets = targets
        self.nodes = nodes
        self.strategy = strategy
    }

    init(_ fields: JSONFields) throws(JSONError) {
        package = try fields.string("package", limit: 256)
        version = try fields.string("version", limit: 256)
        targets = try fields.objects("targets", limit: 16).map { target throws(JSONError) in
            Target(
                path: try target.string("path", limit: 1024),
                length: try target.integer("length"),
                sha256: try target.hex("sha256", count: 32)
            )
        }
        guard !targets.isEmpty else { throw fields.error("targets", "is empty") }
        nodes = try fields.selectors("nodes")
        strategy = try RolloutStrategy(try fields.fields("strategy"))
    }

    var members: JSONObject {
        [
            "package": .string(package),
            "version": .string(version),
            "targets": .array(
                targets.map {
                    ["path": .string($0.path), "length": .integer($0.length), "sha256": .string(Hex.encode($0.sha256))]
                }
            ),
            "nodes": nodes.json,
            "strategy": strategy.json,
        ]
    }
}
