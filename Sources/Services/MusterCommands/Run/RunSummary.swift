import CanonicalJSON
import MusterAPI
import MusterModel

/// How a run ended: nodes with the same outcome together, and the exit status that scripts learn.
struct RunSummary: Sendable {
    /// Nodes that ended alike.
    struct Group: Sendable {
        let outcome: String
        let state: RunRecord.NodeState
        let nodes: [RunRecord.Node]
        /// What they wrote, all the same; nil where outputs were not compared.
        let output: OutputFingerprint?
    }

    let record: RunRecord
    let groups: [Group]

    /// `outputs` is what each node wrote; `comparing` parts nodes that wrote something else.
    init(_ record: RunRecord, outputs: [NodeID: OutputFingerprint], comparing: Bool) {
        self.record = record
        struct Key: Hashable {
            let outcome: String
            let digest: [UInt8]
        }
        var order: [Key] = []
        var members: [Key: [RunRecord.Node]] = [:]
        for node in record.nodes {
            let output = outputs[node.id] ?? OutputFingerprint()
            let key = Key(outcome: RunWords.outcome(node), digest: comparing ? output.digest : [])
            if members[key] == nil { order.append(key) }
            members[key, default: []].append(node)
        }
        groups = order.compactMap { key in
            guard let nodes = members[key], let first = nodes.first else { return nil }
            return Group(
                outcome: key.outcome,
                state: first.state,
                nodes: nodes,
                output: comparing ? outputs[first.id] ?? OutputFingerprint() : nil
            )
        }.sorted { left, right in
            let ranks = (Self.rank(left.state), Self.rank(right.state))
            return ranks.0 == ranks.1 ? left.nodes.count > right.nodes.count : ranks.0 < ranks.1
        }
    }

    /// The exit status: see `RunCommand`.
    static func status(of record: RunRecord) -> Int32 {
        let states = Set(record.nodes.map(\.state))
        if states.contains(.lost) { return 12 }
        guard record.state == .succeeded || record.state == .failed,
            states.isDisjoint(with: [.refused, .notStarted, .cancelled, .expired, .waiting, .assigned, .started])
        else { return 11 }
        return states.contains(.failed) ? 10 : 0
    }

    var lines: [StyledText] {
        var table: [StyledText] = groups.map { group in
            let what =
                group.output.map { ", \(group.nodes.count > 1 && $0.bytes > 0 ? "the same " : "")\($0.size)" } ?? ""
            return StyledText("\(RunWords.count(group.nodes.count, "node")) ")
                + StyledText(group.outcome, RunWords.style(group.state))
                + StyledText("\(what): \(NodeNames.folded(group.nodes.map(\.name)))")
        }
        table.append(StyledText("run \(record.id.text.prefix(8)): ", .bold) + RunWords.state(record))
        return table
    }

    var json: JSONValue {
        [
            "type": "end", "run": JSONValue(record.id), "state": .string(record.state.rawValue),
            "reason": .string(record.reason),
            "counts": .object(JSONObject(record.counts.map { ($0.key.rawValue, JSONValue($0.value)) })),
            "exit": .integer(Int64(Self.status(of: record))),
        ]
    }

    /// Well first, what needs somebody last, where it is still on the screen.
    private static func rank(_ state: RunRecord.NodeState) -> Int {
        switch state {
        case .succeeded: 0
        case .waiting, .assigned, .started: 1
        case .cancelled, .expired: 2
        case .refused, .notStarted: 3
        case .failed: 4
        case .lost: 5
        }
    }
}
