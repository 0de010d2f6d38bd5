import ArgumentParser
import ByteCoding
import MusterAPI
import MusterModel

/// How a person says that a name means another node than it did.
struct KnownNodeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            Where this name means another node than last time, that is right: its machine was enrolled anew. May be repeated.
            """,
            valueName: "name"
        )
    )
    var acceptNode: [String] = []
}

/// The nodes that something is signed for, each name checked against what it means to this person.
struct NamedNodes: Sendable {
    /// Up to so many are named with their ids.
    private static let listed = 8

    /// Nodes that this person meets for the first time.
    private(set) var strangers: [NodeRecord] = []
    /// Nodes that nobody said by name, and whose name meant another node, or that had another name: nobody has accepted
    /// that, so it is not remembered, and remarked on each time.
    private(set) var changedNodes: Set<NodeID> = []
    private var changes: [Change] = []
    /// What is remembered once it is to be signed.
    private var fresh: [NodeRecord] = []
    private let accepted: Set<String>

    private struct Change {
        let name: String
        let why: String
    }

    /// Looks at every node; refuses those that somebody `said` by a name that meant another node, and those that had
    /// another name, unless they are accepted.
    ///
    /// Whoever says `tag:web` or an id has said no name: to them it is told. A name that is to be left out is said too:
    /// the node that was called so must not come by another name.
    init(_ nodes: [NodeRecord], said: Set<String>, _ options: KnownNodeOptions, _ context: CommandContext) throws {
        let known = try KnownNodes(context.folder)
        accepted = Set(options.acceptNode)
        var met: [String: NodeID] = [:]
        var refused: [Change] = []
        for node in nodes {
            if let other = met.updateValue(node.id, forKey: node.name), other != node.id {
                throw CommandFailure.refused(
                    "the service calls two nodes '\(node.name)', \(other) and \(node.id), and names are unique in a fleet"
                )
            }
            try Self.requireName(node)
            let judgement = known.judge(node.name, of: node.id)
            switch judgement {
            case .known: continue
            case .new: strangers.append(node)
            case .changed, .renamed:
                guard !accepted.contains(node.name) else { break }
                let change = Change(name: node.name, why: Self.why(node, judgement))
                let names = [node.name, known.name(of: node.id)].compactMap(\.self)
                if !said.isDisjoint(with: names) {
                    refused.append(change)
                } else {
                    changedNodes.insert(node.id)
                    changes.append(change)
                }
                continue
            }
            fresh.append(node)
        }
        guard refused.isEmpty else { throw Self.failure(refused) }
    }

    /// What whoever signs has to know of the nodes.
    var remarks: [String] { [remark].compactMap(\.self) + changeRemarks }

    /// What is said of the strangers; nil where there are none.
    private var remark: String? {
        guard !strangers.isEmpty else { return nil }
        guard strangers.count <= Self.listed else {
            return "first seen: \(NodeNames.folded(strangers.map(\.name))); from now on these names mean these nodes"
        }
        return "first seen: " + strangers.map { "\($0.name) is \($0.id)" }.joined(separator: ", ")
    }

    /// All of them, so that none hides behind the others; then what may have happened.
    private var changeRemarks: [String] {
        guard !changes.isEmpty else { return [] }
        return changes.map(\.why) + [Self.advice(Self.options(changes)) + "; until then this is said each time"]
    }

    /// Says which node is meant, by its id: that is what is signed.
    func tell(_ node: NodeRecord, _ context: CommandContext) {
        let remarks = self.remarks
        for remark in remarks { context.terminal.note(StyledText(remark, .warning)) }
        if remarks.isEmpty { context.terminal.note(StyledText("\(node.name) is \(node.id)", .faint)) }
    }

    /// Remembers what the names mean, before anything is signed.
    ///
    /// What another `muster` noted since the names were looked at counts as what was noted before.
    func remember(_ context: CommandContext) async throws {
        guard !fresh.isEmpty else { return }
        try await KnownNodes.change(context.folder) { known in
            for node in fresh {
                let judgement = known.judge(node.name, of: node.id)
                guard judgement.isSettled || accepted.contains(node.name) else {
                    throw Self.failure([Change(name: node.name, why: Self.why(node, judgement))])
                }
                try known.note(node.name, of: node.id)
            }
        }
    }

    // MARK: - Refusing

    /// Somebody who gives an id must not get another node that is called like it.
    private static func requireName(_ node: NodeRecord) throws {
        guard node.name != node.id.text, isID(node.name) else { return }
        throw CommandFailure.refused("the service calls node \(node.id) '\(node.name)', which is an id and no name")
    }

    /// Whether it looks like the ids that nodes get at enrollment.
    static func isID(_ name: String) -> Bool {
        guard name.hasPrefix("node-"), name.utf8.count >= 21 else { return false }
        return Hex.decode(String(name.dropFirst(5))) != nil
    }

    private static func why(_ node: NodeRecord, _ judgement: KnownNodes.Judgement) -> String {
        switch judgement {
        case .known, .new: ""
        case .changed(let old): changed(node.name, from: old, to: node.id)
        case .renamed(let old):
            "\(node.id) is called '\(node.name)' now, but it was '\(old)', and nodes keep their names"
        }
    }

    private static func failure(_ refused: [Change]) -> CommandFailure {
        let more = refused.count > listed ? " and \(refused.count - listed) more" : ""
        let why = refused.prefix(listed).map(\.why).joined(separator: "; ")
        return .refused(why + more + ". " + advice(options(refused)))
    }

    private static func options(_ changes: [Change]) -> String {
        changes.prefix(listed).map { "--accept-node " + RunWords.quoted($0.name) }.joined(separator: " ")
    }

    static func changed(_ name: String, from old: NodeID, to node: NodeID) -> String {
        "'\(name)' is \(node) now, but it was \(old)"
    }

    /// What may have happened, and what to do.
    static func advice(_ options: String) -> String {
        "Either the machine was enrolled anew, or the service wants you to take one node for another. Compare with "
            + "'muster-agent status' on the node; if it is right: \(options)"
    }
}
