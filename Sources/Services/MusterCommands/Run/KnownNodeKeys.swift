import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterSystem
import SignatureVerification

/// The node keys that this person has sealed secrets to: `node-keys.json` in the configuration folder.
///
/// ```
/// {"<node id>": "<hex Ed25519 public key>", …}
/// ```
/// The service says which key a node has, so a stolen service could name one of its own and read what is sealed to it. It
/// can do so at most for a node that this person has never met: an id is made from the first key of its node, so that a key
/// must be that one or follow it by what each key before signed. Once a secret was sealed, the known key takes that place.
/// Everything else counts only where the person says that it is right.
struct KnownNodeKeys: Sendable, Equatable {
    /// What a node's key is to this person.
    enum Judgement: Hashable, Sendable {
        /// The key of last time.
        case known
        /// It follows the key of last time, which signed that.
        case succeeded
        /// No secret was ever sealed for this node; the key is that of its id.
        case new
        /// No secret was ever sealed for this node; the key follows all that are shown, which are as many as are ever
        /// shown, and the one of its id is none of them any more.
        ///
        /// Anybody can make up such a chain: the key is a stranger's.
        case cut
        /// No secret was ever sealed for this node, and neither is the key that of its id nor does it follow that one.
        case foreign
        /// Neither: the node was enrolled anew, or somebody wants to read along.
        case changed(from: [UInt8])

        /// Whether nothing that an earlier key signed could change it.
        var isSettled: Bool {
            switch self {
            case .known, .succeeded, .new: true
            case .cut, .foreign, .changed: false
            }
        }
    }

    /// Most nodes in the file.
    static let limit = 100_000
    private static let byteLimit = 32_000_000

    private(set) var keys: [NodeID: [UInt8]] = [:]

    /// No keys.
    init() {}

    /// Reads the file; no keys where there is none.
    init(_ folder: ConfigurationFolder) throws {
        guard let bytes = try BoundedFile.readIfPresent(folder.nodeKeysFile, limit: Self.byteLimit) else { return }
        let fields = try JSONFields(JSONValue.parse(bytes, limit: Self.byteLimit), at: folder.nodeKeysFile)
        for member in fields.object.members {
            guard let node = NodeID(member.key) else { throw fields.error(member.key, "is no node id") }
            keys[node] = try fields.hex(member.key, count: 32)
        }
    }

    /// Replaces the file.
    func write(_ folder: ConfigurationFolder) throws {
        let members = keys.map { ($0.key.text, JSONValue.string(Hex.encode($0.value))) }
        try folder.write(.object(JSONObject(members)), to: folder.nodeKeysFile)
    }

    /// What `key` is, given what earlier keys of the node signed.
    func judge(
        _ key: [UInt8],
        of node: NodeID,
        fleet: FleetID,
        successions: [NodeKeySuccession]
    ) -> Judgement {
        if let known = keys[node] {
            if known == key { return .known }
            return leads([known], to: key, node, fleet, successions) ? .succeeded : .changed(from: known)
        }
        // Whoever is called otherwise has not joined by a key, and is nobody whom anything was signed for.
        guard NodeID.isMadeOfKey(node) else { return .new }
        let first = ([key] + successions.map(\.oldKey)).filter { NodeID(joiningWith: $0) == node }
        if first.contains(key) || leads(first, to: key, node, fleet, successions) { return .new }
        guard first.isEmpty, successions.count >= NodeKeySuccession.limit else { return .foreign }
        return allLead(to: key, node, fleet, successions) ? .cut : .foreign
    }

    /// Whether a key follows each one before it that is shown.
    private func allLead(
        to key: [UInt8],
        _ node: NodeID,
        _ fleet: FleetID,
        _ successions: [NodeKeySuccession]
    ) -> Bool {
        var reached = [key]
        var next = 0
        while next < reached.count {
            let new = reached[next]
            next += 1
            for step in successions where step.newKey == new && !reached.contains(step.oldKey) {
                if Self.isSigned(step, node, fleet) { reached.append(step.oldKey) }
            }
        }
        return successions.allSatisfy { reached.contains($0.oldKey) }
    }

    private static func isSigned(_ step: NodeKeySuccession, _ node: NodeID, _ fleet: FleetID) -> Bool {
        let proof = NodeKeyRequest.proof(fleet: fleet, node: node, oldKey: step.oldKey, newKey: step.newKey)
        return Ed25519.verify(signature: step.signature, message: proof.canonicalBytes, publicKey: step.oldKey)
    }

    /// Whether a key follows one of `first` by what each key before it signed.
    private func leads(
        _ first: [[UInt8]],
        to key: [UInt8],
        _ node: NodeID,
        _ fleet: FleetID,
        _ successions: [NodeKeySuccession]
    ) -> Bool {
        // An offer that came to nothing is signed too, so there may be several ways on from one key.
        var reached = first
        var next = 0
        while next < reached.count {
            let old = reached[next]
            next += 1
            for step in successions where step.oldKey == old && !reached.contains(step.newKey) {
                guard Self.isSigned(step, node, fleet) else { continue }
                if step.newKey == key { return true }
                reached.append(step.newKey)
            }
        }
        return false
    }

    /// Remembers the key that a secret is sealed to.
    mutating func note(_ key: [UInt8], of node: NodeID) throws {
        guard keys[node] != nil || keys.count < Self.limit else {
            throw CommandFailure.refused("more than \(Self.limit) node keys are known: remove node-keys.json")
        }
        keys[node] = key
    }
}
