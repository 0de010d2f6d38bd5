import ByteCoding
import MusterAPI
import MusterIdentity
import MusterModel
import MusterPolicy
import MusterStore
import Synchronization

/// The nodes in memory, as the register on disk has them, with what they last said.
final class NodeRegister: Sendable {
    /// One node.
    struct Entry: Sendable {
        var node: StoredNode
        var report: NodeReport?
        var lastSeen: UTCTime?
        /// Why rollouts pass it by; nil where they do not.
        var hold: StoredHold?
        /// Packages that an operator pinned, by name.
        var pins: [StoredPin] = []

        /// The node as rules see it.
        var facts: NodeFacts { NodeFacts(id: node.id, tags: Set(node.tags)) }
    }

    /// What a report changed.
    struct Change: Sendable {
        /// The node's entry with the new report.
        let entry: Entry
        /// Whether the node says something new about a rollout.
        let hasProgress: Bool
        /// Whether its architecture or a version is another one than before.
        let hasFacts: Bool
    }

    private struct State: Sendable {
        var entries: [NodeID: Entry] = [:]
        var removed: [NodeID: String] = [:]
        /// The nodes that are bound to a tailnet id, or address.
        var bound: [String: Set<NodeID>] = [:]
        /// No key of any node expires by itself before this.
        var keyDeadline = UTCTime(milliseconds: 0)
        /// No hold ends by itself before this.
        var holdDeadline = UTCTime(milliseconds: 0)

        mutating func bind(_ entry: Entry) {
            bound[entry.node.boundTo.id, default: []].insert(entry.node.id)
        }

        mutating func unbind(_ entry: Entry?) {
            guard let entry else { return }
            bound[entry.node.boundTo.id]?.remove(entry.node.id)
            if bound[entry.node.boundTo.id]?.isEmpty == true { bound[entry.node.boundTo.id] = nil }
        }
    }

    private let state = Mutex(State())

    /// Reads every node and its newest report.
    func load(_ store: Store) async throws {
        let (nodes, reports, left) = try await store.read {
            (try $0.nodes(), try $0.reports(), try $0.removedNodes())
        }
        let (holds, pins) = try await store.read { (try $0.holds(), try $0.pins()) }
        var entries: [NodeID: Entry] = [:]
        for node in nodes { entries[node.id] = Entry(node: node, report: nil, lastSeen: nil) }
        for stored in reports {
            entries[stored.node]?.report = try? NodeReport.parse(stored.body)
            entries[stored.node]?.lastSeen = stored.received
        }
        for (node, hold) in holds { entries[node]?.hold = hold }
        for (node, pins) in pins { entries[node]?.pins = pins }
        let removed = Dictionary(left.map { ($0.node, $0.reason) }) { first, _ in first }
        var read = State(entries: entries, removed: removed)
        for entry in entries.values { read.bind(entry) }
        let loaded = read
        state.withLock { $0 = loaded }
    }

    /// One node.
    subscript(_ id: NodeID) -> Entry? { state.withLock { $0.entries[id] } }

    /// Why a node is no longer one; nil for one that is, or never was.
    func removal(_ id: NodeID) -> String? { state.withLock { $0.removed[id] } }

    /// Every node that left, and why.
    var removals: [NodeID: String] { state.withLock { $0.removed } }

    /// The one node that is bound to a tailnet id, or address; nil where there is none or more than one.
    func only(boundTo id: String) -> Entry? {
        state.withLock { state in
            guard let bound = state.bound[id], bound.count == 1, let node = bound.first else { return nil }
            return state.entries[node]
        }
    }

    /// Nodes that rollouts pass by: their keys have expired, or they left.
    var passedBy: [NodeID] {
        state.withLock { state in
            state.entries.values.filter { $0.node.keyLife.isExpiryNoted }.map(\.node.id) + state.removed.keys
        }
    }

    /// The ids of every node, in no order.
    var ids: [NodeID] { state.withLock { Array($0.entries.keys) } }

    /// The ids of the nodes that are meant, in no order.
    func ids(where isMeant: (Entry) -> Bool) -> [NodeID] {
        state.withLock { state in state.entries.values.filter(isMeant).map(\.node.id) }
    }

    /// Every node, by name.
    var all: [Entry] {
        state.withLock { Array($0.entries.values) }.sorted { $0.node.name < $1.node.name }
    }

    /// Adds a node.
    func put(_ node: StoredNode) {
        state.withLock { state in
            state.unbind(state.entries[node.id])
            state.entries[node.id, default: Entry(node: node, report: nil, lastSeen: nil)].node = node
            if let entry = state.entries[node.id] { state.bind(entry) }
            state.keyDeadline = UTCTime(milliseconds: 0)
        }
    }

    /// Changes a part of a node, and leaves alone what somebody else changes meanwhile.
    func update(_ id: NodeID, _ change: (inout StoredNode) -> Void) {
        state.withLock { state in
            guard var entry = state.entries.removeValue(forKey: id) else { return }
            state.unbind(entry)
            change(&entry.node)
            state.bind(entry)
            state.entries[id] = entry
            state.keyDeadline = UTCTime(milliseconds: 0)
        }
    }

    /// Forgets a node that left the fleet, but not why.
    func remove(_ id: NodeID, reason: String) {
        state.withLock { state in
            state.unbind(state.entries[id])
            state.entries[id] = nil
            state.removed[id] = reason
        }
    }

    /// The nodes whose keys expired, or may act again, without the register having taken note of it.
    ///
    /// Costs one comparison while no key has come to its end since the last time.
    func unnotedExpiries(at time: UTCTime) -> [NodeID] {
        state.withLock { state in
            guard time >= state.keyDeadline else { return [] }
            var deadline = UTCTime(milliseconds: .max)
            var found: [NodeID] = []
            for (id, entry) in state.entries {
                let life = entry.node.keyLife
                if life.isLimited(at: time) != life.isExpiryNoted { found.append(id) }
                if let change = life.nextChange(after: time) { deadline = min(deadline, change) }
            }
            // What is found stays due until it is noted, should that fail.
            state.keyDeadline = found.isEmpty ? deadline : time
            return found
        }
    }

    /// What operators hold of a node is this now, and on disk.
    func set(hold: StoredHold?, pins: [StoredPin], of id: NodeID) {
        state.withLock { state in
            state.entries[id]?.hold = hold
            state.entries[id]?.pins = pins
            state.holdDeadline = UTCTime(milliseconds: 0)
        }
    }

    /// The nodes whose hold is over without the register having taken note of it; costs one comparison between two ends.
    func endedHolds(at time: UTCTime) -> [NodeID] {
        state.withLock { state in
            guard time >= state.holdDeadline else { return [] }
            let ends = state.entries.compactMap { id, entry in entry.hold?.until.map { (id, $0) } }
            let ended = ends.filter { $0.1 <= time }
            // What is found stays due until it is noted, should that fail.
            state.holdDeadline = ended.isEmpty ? ends.map(\.1).min() ?? UTCTime(milliseconds: .max) : time
            return ended.map(\.0)
        }
    }

    /// A node was in contact.
    func seen(_ id: NodeID, at time: UTCTime) {
        state.withLock { $0.entries[id]?.lastSeen = time }
    }

    /// Takes a report that is on disk; nil for a node that is not in the register.
    func take(_ report: NodeReport, from id: NodeID, at time: UTCTime) -> Change? {
        state.withLock { state in
            guard let old = state.entries[id] else { return nil }
            var entry = old
            entry.report = report
            entry.lastSeen = time
            state.entries[id] = entry
            return Change(
                entry: entry,
                hasProgress: report.progress != (old.report?.progress ?? []),
                hasFacts: report.architecture != old.report?.architecture || report.packages != old.report?.packages
                    || report.localPins != (old.report?.localPins ?? [:])
            )
        }
    }
}
