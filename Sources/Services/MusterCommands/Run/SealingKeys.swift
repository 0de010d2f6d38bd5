import ByteCoding
import MusterAPI
import MusterClient
import MusterModel

/// The keys that a run's secrets are sealed to, each checked against the one that this person knows.
struct SealingKeys: Sendable {
    /// The key of each node of the run.
    private(set) var keys: [NodeID: [UInt8]] = [:]
    /// Nodes that get a secret of this person for the first time, with their key.
    private(set) var strangers: [(node: NodeRecord, key: [UInt8])] = []
    /// Those among them whose keys' way from the first one is too long to be shown.
    private var cut: Set<NodeID> = []
    private var known: KnownNodeKeys

    /// Looks at every node; refuses the ones whose key is another than it was, unless `accepted` names them.
    init(
        for nodes: [NodeRecord],
        accepted: Set<String>,
        _ context: CommandContext,
        _ service: ServiceConnection
    ) async throws {
        known = try KnownNodeKeys(context.folder)
        let fleet = try context.folder.fleet().fleet
        for name in accepted where !nodes.contains(where: { $0.name == name }) {
            throw CommandFailure.usage("--accept-node-key \(name): it is none of the run's nodes")
        }
        for node in nodes {
            guard let key = node.key?.publicKey else {
                throw CommandFailure.refused(
                    "the service shows no key of \(node.name) that a secret could be sealed to"
                )
            }
            var judgement = known.judge(key, of: node.id, fleet: fleet, successions: [])
            if !judgement.isSettled {
                let record = try await service.reading { try await $0.node(node.id, session: $1) }
                let successions = record.key?.successions ?? []
                judgement = known.judge(key, of: node.id, fleet: fleet, successions: successions)
            }
            switch judgement {
            case .known, .succeeded: break
            case .new: strangers.append((node, key))
            case .cut:
                strangers.append((node, key))
                cut.insert(node.id)
            case .foreign:
                guard accepted.contains(node.name) else { throw Self.foreign(node, key) }
                strangers.append((node, key))
            case .changed(let old):
                guard accepted.contains(node.name) else { throw Self.changed(node.name, from: old, to: key) }
            }
            try known.note(key, of: node.id)
            keys[node.id] = key
        }
    }

    /// What to compare before signing, for nodes that are new to this person.
    var remarks: [String] {
        strangers.map { remark($0.node, $0.key) }
            + (strangers.isEmpty
                ? [] : ["'muster-agent status' on the node shows its key; a stolen service could name its own"])
    }

    private func remark(_ node: NodeRecord, _ key: [UInt8]) -> String {
        let way =
            cut.contains(node.id)
            ? ", and the way to it from the key that its id is made of is too long to be shown" : ""
        return
            "\(node.name) (\(node.id)) gets a secret of yours for the first time: its node key is \(Hex.encode(key))\(way)"
    }

    /// What to ask before signing; nil where every key is known.
    var question: String? {
        guard let first = strangers.first?.node else { return nil }
        let more = strangers.count > 1 ? " and \(strangers.count - 1) more" : ""
        return "are these the keys of \(first.name) (\(first.id))\(more)? sign and run?"
    }

    /// Refuses nodes that are new to this person and that nobody has named: nobody looks at their keys.
    func requireNoStranger(but accepted: Set<String>) throws {
        let unseen = strangers.filter { !accepted.contains($0.node.name) }
        guard !unseen.isEmpty else { return }
        let shown = unseen.prefix(8).map { "\($0.node.name) (\($0.node.id), key \(Hex.encode($0.key)))" }
        let more = unseen.count > shown.count ? " and \(unseen.count - shown.count) more" : ""
        throw CommandFailure.refused(
            "no secret of yours was ever sealed for \(shown.joined(separator: ", "))\(more), and with --yes nobody looks at "
                + "the keys, of which a stolen service could name its own. Compare with 'muster-agent status' on the node; if "
                + "they are right: --accept-node-key NAME, or --accept-new-node-keys for all that are new"
        )
    }

    /// Remembers the keys, before anything is sealed to them.
    func remember(_ context: CommandContext) throws { try known.write(context.folder) }

    private static func foreign(_ node: NodeRecord, _ key: [UInt8]) -> CommandFailure {
        .refused(
            "the key of \(node.name) is \(Hex.encode(key)), which is not the one that its id \(node.id) is made of, and does not "
                + "follow that one: the service may want to read the secret. Compare with 'muster-agent status' on the node; "
                + "if it is right: --accept-node-key \(RunWords.quoted(node.name))"
        )
    }

    private static func changed(_ name: String, from old: [UInt8], to key: [UInt8]) -> CommandFailure {
        .refused(
            "the key of \(name) is \(Hex.encode(key)), but it was \(Hex.encode(old)), and that one has not signed the change. "
                + "Either the node was enrolled anew, or the service wants to read the secret. Compare with 'muster-agent status' "
                + "on the node; if it is right: --accept-node-key \(RunWords.quoted(name))"
        )
    }
}
