import MusterModel
import SignatureVerification

/// The order in which a rollout takes its nodes: by SHA-256 of the rollout's and the node's id.
///
/// Nobody can place a node at the front without choosing the statement's random id, another rollout has other canaries,
/// and every service that looks at a rollout sees the same order.
struct NodeOrder: Comparable {
    private let rank: UInt64
    private let node: NodeID

    init(_ rollout: RolloutID, _ node: NodeID) {
        let digest = Digest.sha256(Array(rollout.text.utf8) + [0] + Array(node.text.utf8))
        rank = digest.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        self.node = node
    }

    static func < (left: NodeOrder, right: NodeOrder) -> Bool {
        left.rank != right.rank ? left.rank < right.rank : left.node < right.node
    }
}
