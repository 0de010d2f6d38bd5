import ByteCoding
import MusterAPI
import MusterModel
import MusterSelection

/// The nodes of a run: chosen from the register here, by this program, and then bound into the statement one by one.
struct RunNodes: Sendable {
    /// The chosen nodes, in the order of their names.
    let records: [NodeRecord]
    /// The names by which somebody said single nodes, to choose them or to leave them out; ids are none.
    let said: Set<String>
    /// How many nodes there are.
    let total: Int
    /// What whoever asks should know of the choice.
    let remarks: [String]

    /// The nodes that `text` means.
    static func choose(_ text: String, from nodes: [NodeRecord], now: UTCTime) throws -> RunNodes {
        let selection: Selection
        let selected: SelectedNodes
        do {
            selection = try Selection(parsing: text)
            selected = try selection.resolve(nodes.map(SelectableNode.init), at: now)
        } catch let error as SelectionSyntaxError {
            throw CommandFailure.usage("\(error)")
        } catch let error as SelectionMistake {
            throw CommandFailure.refused("\(error): see 'muster node list'")
        }
        let remarks = selected.remarks + Self.remarks(selected.undecided)
        guard !selected.nodes.isEmpty else {
            let why = remarks.isEmpty ? "" : " (\(remarks.joined(separator: "; ")))"
            throw CommandFailure.refused("no node is selected by '\(text)'\(why)")
        }
        guard selected.nodes.count <= RunBody.nodeLimit else {
            throw CommandFailure.refused(
                "\(selected.nodes.count) nodes are selected, and a run may name \(RunBody.nodeLimit)"
            )
        }
        let (byID, said) = (nodes.byID, selection.names)
        try requireOneMeaning(said, byID, nodes)
        return RunNodes(
            records: selected.nodes.compactMap { byID[$0.id] },
            said: said,
            total: nodes.count,
            remarks: remarks
        )
    }

    /// Refuses a name that is the id of one node and the name of another: who is left out by it would come all the same.
    private static func requireOneMeaning(
        _ said: Set<String>,
        _ byID: [NodeID: NodeRecord],
        _ nodes: [NodeRecord]
    ) throws {
        let owners = said.compactMap(NodeID.init).compactMap { byID[$0] }
        for owner in owners {
            guard let other = nodes.first(where: { $0.name == owner.id.text && $0.id != owner.id }) else { continue }
            throw CommandFailure.refused(
                "'\(owner.id)' is the name of node \(other.id) and the id of another one, as no service gives any: compare with "
                    + "'muster-agent status' on the node"
            )
        }
    }

    /// Nodes left out for the same reason, together.
    private static func remarks(_ undecided: [SelectedNodes.Undecided]) -> [String] {
        var reasons: [String] = []
        var names: [String: [String]] = [:]
        for entry in undecided {
            if names[entry.reason] == nil { reasons.append(entry.reason) }
            names[entry.reason, default: []].append(entry.node.name)
        }
        return reasons.map { "left out \(NodeNames.folded(names[$0] ?? [])): \($0)" }
    }
}

extension Selection {
    /// The names that stand in it for one node each; what looks like the id of a node means the node by its id.
    fileprivate var names: Set<String> {
        switch self {
        case .every, .tag, .comparison: return []
        case .node(let name): return NodeID(name).map(NodeID.isMadeOfKey) == true ? [] : [name]
        case .name(let glob): return glob.text.utf8.contains { "*?".utf8.contains($0) } ? [] : [glob.text]
        case .not(let inner), .quota(_, let inner): return inner.names
        case .all(let parts), .any(let parts): return Set(parts.flatMap(\.names))
        }
    }
}

extension SelectableNode {
    /// A node as the register shows it.
    init(_ record: NodeRecord) {
        self.init(
            id: record.id,
            name: record.name,
            tags: Set(record.tags),
            state: record.state,
            lastSeen: record.lastSeen,
            report: record.report.map {
                Report(
                    os: $0.osRelease,
                    architecture: $0.architecture,
                    agent: $0.agentVersion,
                    packages: $0.packages.filter { !$0.value.isEmpty }
                )
            }
        )
    }
}
