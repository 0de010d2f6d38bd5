import ByteCoding
import CanonicalJSON
import MusterModel
import MusterRun
import SignatureVerification
import Synchronization

/// What open runs want of each node, for whoever makes manifests: without waiting for anybody, and as it is on disk.
final class RunWork: Sendable {
    /// What one node has to do.
    struct Content: Sendable {
        /// Runs to carry out, the oldest first.
        var runs: [Item] = []
        /// Runs to end.
        var cancelled: [RunID] = []

        var isEmpty: Bool { runs.isEmpty && cancelled.isEmpty }
    }

    /// One run to carry out.
    struct Item: Sendable {
        let run: RunID
        /// The statement's envelope, canonical: written out once for all nodes.
        let canonical: [UInt8]
        /// The same as it is sent.
        let compact: [UInt8]
        /// SHA-256 of the envelope.
        let digest: [UInt8]
        let asked: UTCTime

        /// How many bytes of a manifest it takes.
        var length: Int { max(canonical.count, compact.count) }
    }

    fileprivate struct Entry: Sendable {
        var work: Run.Work?
        /// Whether it makes a difference to the run that the node is in contact.
        var needsContact: Bool
    }

    fileprivate struct State: Sendable {
        var items: [RunID: Item] = [:]
        var entries: [NodeID: [RunID: Entry]] = [:]
    }

    /// Most bytes of statements in one manifest, with room for what else it says.
    private static let byteLimit = UpdateManifest.byteLimit - 1_000_000
    private let state = Mutex(State())

    /// What a node has to do.
    func content(of node: NodeID) -> Content {
        state.withLock { state in
            guard let entries = state.entries[node] else { return Content() }
            var content = Content()
            var length = 0
            let items = entries.keys.compactMap { state.items[$0] }.sorted { ($0.asked, $0.run) < ($1.asked, $1.run) }
            for item in items {
                switch entries[item.run]?.work {
                case .run where content.runs.count < UpdateManifest.runLimit && length + item.length <= Self.byteLimit:
                    length += item.length
                    content.runs.append(item)
                case .cancel where content.cancelled.count < UpdateManifest.cancelledLimit:
                    content.cancelled.append(item.run)
                default: break
                }
            }
            return content
        }
    }

    /// The runs to which it makes a difference that the node is in contact.
    func needing(contactOf node: NodeID) -> [RunID] {
        state.withLock { state in
            guard let entries = state.entries[node] else { return [] }
            return entries.filter(\.value.needsContact).map(\.key)
        }
    }

    /// Takes over how runs are now: the nodes named, or all of them where it says nil; a run that is not open is forgotten.
    func update(_ touched: [RunID: Set<NodeID>?], _ runs: [RunID: LiveRun]) {
        // What is long to make is made before anybody is locked out.
        let known = state.withLock { Set($0.items.keys) }
        let changed = touched.keys.compactMap { id -> Item? in
            guard let run = runs[id], run.engine.phase != .ended else { return nil }
            guard !known.contains(id) || touched[id] == .some(nil) else { return nil }
            let envelope = run.statement.json.canonicalBytes
            return Item(
                run: id,
                canonical: envelope,
                compact: run.statement.json.jsonBytes,
                digest: Digest.sha256(envelope),
                asked: run.asked
            )
        }
        state.withLock { state in
            for item in changed { state.items[item.run] = item }
            for (id, nodes) in touched {
                guard let run = runs[id] else { continue }
                if run.engine.phase == .ended { state.items[id] = nil }
                for node in nodes.map(Array.init) ?? run.engine.nodes.map(\.id) { state.set(run, node) }
            }
        }
    }
}

extension RunWork.State {
    fileprivate mutating func set(_ run: LiveRun, _ node: NodeID) {
        let entry = RunWork.Entry(
            work: run.engine.work(of: node),
            needsContact: run.engine.needs(contactOf: node)
        )
        let isIdle = entry.work == nil && !entry.needsContact
        entries[node, default: [:]][run.id] = isIdle ? nil : entry
        if entries[node]?.isEmpty == true { entries[node] = nil }
    }
}
