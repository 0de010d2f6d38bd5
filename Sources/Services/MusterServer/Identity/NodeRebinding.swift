import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterStore
import Tailnet

/// Follows a node that has just proved its node key to its new tailnet key, id or address.
struct NodeRebinding: Sendable {
    let service: FleetService

    /// The node, bound to whom the caller is now; refuses who is somebody else.
    func bind(_ node: StoredNode, _ call: Call) async throws -> StoredNode {
        let caller = call.identity
        guard let event = try event(node, call) else { return node }
        let keepsKey = node.tailnet?.id == caller.id && node.tailnet?.key == caller.key
        var binding = TailnetBinding(caller, at: call.time)
        if keepsKey { binding.keySince = node.tailnet?.keySince }
        let time = call.time
        let address = call.peer
        let new = binding
        try await service.store.write { transaction in
            // Two sessions at once must not record one change twice.
            guard let stored = try transaction.node(node.id),
                stored.tailnet?.id != new.id || stored.tailnet?.key != new.key || stored.address != address
            else { return }
            try transaction.bind(node.id, to: new, address: address)
            try transaction.append(
                event: event,
                actor: node.id.text,
                detail: [
                    "node": JSONValue(node.id), "name": .string(node.name),
                    "old": Self.json(node.tailnet, node.address), "new": Self.json(new, address),
                ],
                at: time
            )
        }
        service.nodes.update(node.id) { node in
            node.tailnet = new
            node.address = address
        }
        service.gate.remember(caller)
        var bound = node
        bound.tailnet = new
        bound.address = address
        return bound
    }

    /// What is to be recorded; nil where nothing has changed.
    private func event(_ node: StoredNode, _ call: Call) throws(Problem) -> String? {
        switch NodeBinding.judge(node, call.identity, from: call.peer) {
        case .same: return hasMoved(node, call) ? "node-address-changed" : nil
        case .rotated, .rekeyed: return "node-tailnet-key-rotated"
        case .identified: return "node-identified"
        case .other(let why): throw .otherAddress(why)
        }
    }

    /// Whether the address that is remembered is not the node's any more; to change between its own two is no move.
    private func hasMoved(_ node: StoredNode, _ call: Call) -> Bool {
        guard !call.identity.isAddressOnly, let known = IPAddress(node.address) else { return false }
        return known != IPAddress(call.peer) && !call.identity.addresses.contains { IPAddress($0) == known }
    }

    private static func json(_ binding: TailnetBinding?, _ address: String) -> JSONValue {
        [
            "id": .string(binding?.id ?? "address:\(address)"), "key": .string(binding?.key ?? ""),
            "address": .string(address),
        ]
    }
}
