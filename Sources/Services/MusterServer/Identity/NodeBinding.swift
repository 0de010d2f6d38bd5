import MusterModel
import MusterStore
import Tailnet

/// Whether a caller is the node that it says it is, as far as the tailnet can tell.
///
/// Pure. A node is bound to an id that stays through every change of its tailnet key. Where the id is the key itself
/// (WireGuard without a names file), a new key at the same address is the rotation, but only for who proves the node key:
/// the address was given to that peer by whoever configures this machine's interface.
enum NodeBinding: Hashable {
    /// Exactly who it was, though its address may be another now.
    case same
    /// The same id with another key: a rotation.
    case rotated
    /// Another WireGuard key at the same address: a rotation, once the node key is proved.
    case rekeyed
    /// The same address, or key, which now has an id of its own; binds once the node key is proved.
    case identified
    /// Somebody else.
    case other(why: String)

    /// Judges the caller of a request that names `node`.
    static func judge(_ node: StoredNode, _ caller: TailnetIdentity, from address: String) -> NodeBinding {
        // First what nearly every request is.
        if let bound = node.tailnet, bound.id == caller.id { return bound.key == caller.key ? .same : .rotated }
        let sameAddress = IPAddress(node.address) == IPAddress(address)
        guard let bound = node.tailnet, !bound.id.hasPrefix("address:") else {
            guard sameAddress else {
                return .other(why: "node '\(node.id)' is bound to \(node.address), the request comes from \(address)")
            }
            return caller.isAddressOnly ? .same : .identified
        }
        if bound.id.hasPrefix(wireGuardKey) {
            if caller.id.hasPrefix(wireGuardName), caller.key == bound.key { return .identified }
            if sameAddress, caller.id.hasPrefix(wireGuardKey) || caller.id.hasPrefix(wireGuardName) { return .rekeyed }
        }
        return .other(
            why:
                "node '\(node.id)' is \(bound.name.isEmpty ? bound.id : "\(bound.name) (\(bound.id))") on the tailnet, "
                + "the request comes from \(caller.label) at \(address)"
        )
    }

    private static let wireGuardKey = "wireguard-key:"
    private static let wireGuardName = "wireguard:"
}

extension StoredNode {
    /// The tailnet id and key that the node's sessions must have.
    var boundTo: (id: String, key: String) {
        guard let tailnet else { return ("address:\(address)", "") }
        return (tailnet.id, tailnet.key)
    }
}
