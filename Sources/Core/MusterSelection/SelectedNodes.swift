/// The nodes that a selection comes to.
public struct SelectedNodes: Hashable, Sendable {
    /// A node that was left out because something about it is unknown.
    public struct Undecided: Hashable, Sendable {
        /// The node.
        public let node: SelectableNode
        /// What is unknown, as one clause.
        public let reason: String
    }

    /// The nodes, in the order of their names.
    public let nodes: [SelectableNode]
    /// Nodes that are neither meant nor not meant, in the order of their names; they are left out.
    public let undecided: [Undecided]
    /// What is worth knowing, such as a quota of more nodes than there are.
    public let remarks: [String]
}

/// Why a selection cannot be evaluated: it names what there is not.
///
/// A tag, node or package that no node has is most likely a typing error; behind a `not` it would select everything.
public struct SelectionMistake: Error, Hashable, Sendable, CustomStringConvertible {
    /// What there is not.
    public let description: String
}
