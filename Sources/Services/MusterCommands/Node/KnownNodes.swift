import CanonicalJSON
import MusterModel
import MusterSystem

/// Which node a name means to this person: `known-nodes.json` in the configuration folder.
///
/// ```
/// {"hosts": {"<name, for logins>": "<node id>", …}, "nodes": {"<name in the fleet>": "<node id>", …}}
/// ```
/// People say names, ids are what is signed, and the service says which name is whose: a stolen service could have
/// `reboot` signed for another node than the one that somebody named. It can do so at most for a name that this person has
/// never used: from then on it means this node, until the person says that it means another.
struct KnownNodes: Sendable, Equatable {
    /// What a name and its node are to this person.
    enum Judgement: Hashable, Sendable {
        /// The name means the node of last time.
        case known
        /// Neither was ever met.
        case new
        /// The name meant another node: its machine was enrolled anew, or somebody wants another node to be signed for.
        case changed(from: NodeID)
        /// The node had another name, which the fleet's service never changes.
        case renamed(from: String)

        /// Whether it contradicts nothing that is known.
        var isSettled: Bool {
            switch self {
            case .known, .new: true
            case .changed, .renamed: false
            }
        }
    }

    /// Most names of a kind in the file.
    static let limit = 100_000
    private static let byteLimit = 128_000_000

    /// By the name in the fleet.
    private(set) var nodes: [String: NodeID] = [:]
    /// By what somebody typed for a login: a name in the fleet or the tailnet, or an address.
    private(set) var hosts: [String: NodeID] = [:]
    /// The names in the fleet by node.
    private var names: [NodeID: String] = [:]

    /// No names.
    init() {}

    /// Reads the file; no names where there is none.
    init(_ folder: ConfigurationFolder) throws {
        guard let bytes = try BoundedFile.readIfPresent(folder.knownNodesFile, limit: Self.byteLimit) else { return }
        let fields = try JSONFields(JSONValue.parse(bytes, limit: Self.byteLimit), at: folder.knownNodesFile)
        nodes = try Self.read("nodes", fields)
        hosts = try Self.read("hosts", fields)
        for (name, node) in nodes { names[node] = name }
    }

    private static func read(_ kind: String, _ fields: JSONFields) throws -> [String: NodeID] {
        guard fields.has(kind) else { return [:] }
        let entries = try fields.fields(kind)
        var ids: [String: NodeID] = [:]
        for member in entries.object.members { ids[member.key] = try entries.name(member.key, as: NodeID.self) }
        return ids
    }

    /// Replaces the file.
    func write(_ folder: ConfigurationFolder) throws {
        func members(_ ids: [String: NodeID]) -> JSONValue {
            .object(JSONObject(ids.map { ($0.key, JSONValue($0.value)) }))
        }
        try folder.write(["hosts": members(hosts), "nodes": members(nodes)], to: folder.knownNodesFile)
    }

    /// Reads the file, changes it and replaces it, with nobody else doing so in between.
    ///
    /// Whoever is at it needs moments; after about five seconds it fails, with nothing changed.
    static func change(
        _ folder: ConfigurationFolder,
        attempts: Int = 50,
        _ body: (inout KnownNodes) throws -> Void
    ) async throws {
        let lock = try await lock(folder, attempts)
        defer { withExtendedLifetime(lock) {} }
        var known = try KnownNodes(folder)
        try body(&known)
        try known.write(folder)
    }

    private static func lock(_ folder: ConfigurationFolder, _ attempts: Int) async throws -> FileLock {
        for attempt in 1...max(1, attempts) {
            if let lock = try FileLock.tryAcquire(folder.knownNodesLockFile) { return lock }
            if attempt < attempts { try await Task.sleep(for: .milliseconds(100)) }
        }
        throw CommandFailure.refused(
            "cannot note which node is meant in \(folder.knownNodesFile): another 'muster' is changing it, which takes moments; "
                + "nothing was signed, try again"
        )
    }

    /// What it is that the service calls a node so.
    func judge(_ name: String, of node: NodeID) -> Judgement {
        if let known = nodes[name] ?? hosts[name], known != node { return .changed(from: known) }
        if nodes[name] != nil { return .known }
        if let old = names[node] { return .renamed(from: old) }
        return .new
    }

    /// What a node is called in the fleet, as far as this person knows; nil where they never met it.
    func name(of node: NodeID) -> String? { names[node] }

    /// What it is that the service says that somebody reaches a node so; a node is reached by several names.
    func judge(host: String, of node: NodeID) -> Judgement {
        guard let known = hosts[host] ?? nodes[host] else { return .new }
        return known == node ? .known : .changed(from: known)
    }

    /// Remembers what a name in the fleet means; the node has no other.
    mutating func note(_ name: String, of node: NodeID) throws {
        if let old = names[node], old != name { nodes[old] = nil }
        if let other = nodes[name], other != node { names[other] = nil }
        try Self.add(name, node, to: &nodes)
        names[node] = name
        if hosts[name] != nil { hosts[name] = node }
    }

    /// Remembers what a name for logins means.
    mutating func note(host: String, of node: NodeID) throws { try Self.add(host, node, to: &hosts) }

    private static func add(_ name: String, _ node: NodeID, to ids: inout [String: NodeID]) throws {
        guard ids[name] != nil || ids.count < limit else {
            throw CommandFailure.refused("more than \(limit) names of nodes are known: remove known-nodes.json")
        }
        ids[name] = node
    }
}
