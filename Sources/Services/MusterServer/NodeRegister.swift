import ByteCoding
import MusterAPI
import MusterModel
import MusterStore
import Synchronization

/// The nodes in memory, as the register on disk has them, with what they last said.
final class NodeRegister: Sendable {
    /// One node.
    struct Entry: Sendable {
        var node: StoredNode
        var report: NodeReport?
        var lastSeen: UTCTime?
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

    private let entries = Mutex([NodeID: Entry]())

    /// Reads every node and its newest report.
    func load(_ store: Store) async throws {
        let (nodes, reports) = try await store.read { (try $0.nodes(), try $0.reports()) }
        var entries: [NodeID: Entry] = [:]
        for node in nodes { entries[node.id] = Entry(node: node, report: nil, lastSeen: nil) }
        for stored in reports {
            entries[stored.node]?.report = try? NodeReport.parse(stored.body)
            entries[stored.node]?.lastSeen = stored.received
        }
        let loaded = entries
        self.entries.withLock { $0 = loaded }
    }

    /// One node.
    subscript(_ id: NodeID) -> Entry? { entries.withLock { $0[id] } }

    /// Every node, by name.
    var all: [Entry] {
        entries.withLock { Array($0.values) }.sorted { $0.node.name < $1.node.name }
    }

    /// Adds a node, or takes its new tags.
    func put(_ node: StoredNode) {
        entries.withLock { $0[node.id, default: Entry(node: node, report: nil, lastSeen: nil)].node = node }
    }

    /// Changes what is known of a node.
    func update(_ id: NodeID, _ change: (inout StoredNode) -> Void) {
        entries.withLock { entries in
            guard var entry = entries.removeValue(forKey: id) else { return }
            change(&entry.node)
            entries[id] = entry
        }
    }

    /// Forgets a node.
    func remove(_ id: NodeID) {
        entries.withLock { $0[id] = nil }
    }

    /// A node was in contact.
    func seen(_ id: NodeID, at time: UTCTime) {
        entries.withLock { $0[id]?.lastSeen = time }
    }

    /// Takes a report that is on disk; nil for a node that is not in the register.
    func take(_ report: NodeReport, from id: NodeID, at time: UTCTime) -> Change? {
        entries.withLock { entries in
            guard let old = entries[id] else { return nil }
            var entry = old
            entry.report = report
            entry.lastSeen = time
            entries[id] = entry
            return Change(
                entry: entry,
                hasProgress: report.progress != (old.report?.progress ?? []),
                hasFacts: report.architecture != old.report?.architecture || report.packages != old.report?.packages
            )
        }
    }
}
