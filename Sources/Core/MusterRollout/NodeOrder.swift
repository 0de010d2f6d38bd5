import ByteCoding
import MusterModel

/// The order in which a rollout takes its nodes: by a hash of the node's id under the rollout's id.
///
/// Nobody can place a node at the front without knowing the statement's random id beforehand, another rollout has other
/// canaries, and every service that looks at a rollout sees the same order.
struct NodeOrder: Comparable {
    /// The rollout's id as a key.
    struct Key {
        fileprivate let words: (UInt64, UInt64)

        init(_ rollout: RolloutID) {
            let bytes = Hex.decode(rollout.text) ?? []
            func word(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
            words = (word(bytes.prefix(8)), word(bytes.dropFirst(8)))
        }
    }

    /// The hash: equal for two nodes only by chance.
    let rank: UInt64
    private let node: NodeID

    init(_ key: Key, _ node: NodeID) {
        rank = SipHash.hash(node.text.utf8, key: key.words)
        self.node = node
    }

    static func < (left: NodeOrder, right: NodeOrder) -> Bool {
        left.rank != right.rank ? left.rank < right.rank : left.node < right.node
    }
}
