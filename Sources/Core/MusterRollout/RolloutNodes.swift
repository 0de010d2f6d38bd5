/// The nodes of a rollout in the order of their turns.
///
/// Kept in pieces, so that a copy of a rollout that then differs in a few nodes shares the others with the original, and
/// with the places that changed since they were last written down.
public struct RolloutNodes: RandomAccessCollection, Sendable {
    private static let bits = 8
    private static let mask = (1 << bits) - 1

    private var pieces: [[RolloutNode]] = []
    /// How many nodes there are.
    public private(set) var count = 0
    private var isChanged: [Bool] = []
    private var changed: [Int] = []

    /// No nodes.
    init() {}

    /// The first place.
    public var startIndex: Int { 0 }
    /// The place after the last.
    public var endIndex: Int { count }

    /// The node at a place.
    public internal(set) subscript(index: Int) -> RolloutNode {
        get { pieces[index >> Self.bits][index & Self.mask] }
        set {
            pieces[index >> Self.bits][index & Self.mask] = newValue
            mark(index)
        }
    }

    mutating func append(_ node: RolloutNode) {
        if count & Self.mask == 0 {
            var piece: [RolloutNode] = []
            if count > 0 { piece.reserveCapacity(Self.mask + 1) }
            pieces.append(piece)
        }
        pieces[pieces.count - 1].append(node)
        count += 1
        isChanged.append(false)
        mark(count - 1)
    }

    mutating func replaceAll(_ nodes: [RolloutNode]) {
        for (index, node) in nodes.enumerated() { self[index] = node }
    }

    /// The places that changed since this was last asked, in order.
    mutating func takeChanged() -> [Int] {
        defer { changed = [] }
        for index in changed { isChanged[index] = false }
        return changed.sorted()
    }

    mutating func markAll() {
        for index in indices { mark(index) }
    }

    private mutating func mark(_ index: Int) {
        guard !isChanged[index] else { return }
        isChanged[index] = true
        changed.append(index)
    }
}

extension RolloutNodes: Hashable {
    /// Whether both are the same nodes in the same order.
    public static func == (left: RolloutNodes, right: RolloutNodes) -> Bool { left.pieces == right.pieces }

    /// Hashes what `==` compares.
    public func hash(into hasher: inout Hasher) { hasher.combine(pieces) }
}
