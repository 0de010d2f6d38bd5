import ByteCoding
import CanonicalJSON
import Logging
import MusterAPI
import MusterIdentity
import MusterModel
import MusterRun
import MusterStore
import Synchronization

/// Drives every run: what happens is taken in order, in groups that share one transaction, and nobody hears of it before it
/// is on disk.
///
/// While one group is on its way to the disk the next one gathers, so a thousand nodes that answer at once cost a handful
/// of commits.
actor Runs {
    /// Something that happens to one run; throws before it changes anything, or not at all.
    typealias Change = @Sendable (inout LiveRun, inout RunLedger) throws -> Void
    /// The beginning of a run.
    typealias Beginning = @Sendable (inout LiveRun, inout RunLedger) -> Void

    private enum Subject: Sendable {
        /// A run that there is.
        case known(RunID, Change)
        /// A run that is asked for.
        case new(LiveRun, Beginning)

        var id: RunID {
            switch self {
            case .known(let id, _): id
            case .new(let run, _): run.id
            }
        }
    }

    private struct Job: Sendable {
        let subject: Subject
        let time: UTCTime
        let done: CheckedContinuation<LiveRun, any Error>
    }

    private static let groupLimit = 1024
    /// Most runs that may be open: each is kept in memory whole.
    private static let openLimit = 1000
    /// How many runs that are over are kept at hand, for what comes late.
    private static let recentLimit = 16

    private let store: Store
    private let nodes: NodeRegister
    private let log: Logger
    private var live: [RunID: LiveRun] = [:]
    private var recent: [RunID] = []
    private var queue: [Job] = []
    private var isDraining = false
    private var onChange: @Sendable (Set<NodeID>) -> Void = { _ in }
    private nonisolated let next = Mutex<UTCTime?>(nil)
    /// What nodes have to do.
    nonisolated let work = RunWork()
    /// Wakes whoever waits for a run's next revision, or for its output.
    nonisolated let polls = LongPoll<RunID>(limit: 64)

    init(store: Store, nodes: NodeRegister, log: Logger) {
        self.store = store
        self.nodes = nodes
        self.log = log
    }

    /// When `tick` is due; nil while nothing has a deadline.
    nonisolated var nextDeadline: UTCTime? { next.withLock { $0 } }

    /// `changed` is told the nodes whose manifests are others now, after that is on disk.
    func onWorkChange(_ changed: @escaping @Sendable (Set<NodeID>) -> Void) {
        onChange = changed
    }

    /// Reads the open runs and goes on with them.
    func start(at time: UTCTime) async throws {
        let stored = try await store.read { transaction in
            try transaction.openRuns().map { try Self.read($0, transaction) }
        }
        for var run in stored {
            run.engine.resume(at: time)
            live[run.id] = run
        }
        work.update(Dictionary(uniqueKeysWithValues: stored.map { ($0.id, nil) }), live)
        noteDeadline()
    }

    // MARK: - What happens

    /// Takes a new run in; `beginning` says what follows from that.
    func create(_ run: LiveRun, at time: UTCTime, _ beginning: @escaping Beginning) async throws -> LiveRun {
        guard live.count < Self.openLimit + Self.recentLimit else {
            throw Problem.tooMany("\(Self.openLimit) runs are open: cancel some, or wait until they have ended")
        }
        return try await submit(.new(run, beginning), at: time)
    }

    /// Lets something happen to a run; returns the run once that is on disk.
    @discardableResult
    func change(_ id: RunID, at time: UTCTime, _ change: @escaping Change) async throws -> LiveRun {
        try await submit(.known(id, change), at: time)
    }

    /// A node that may do work asks for some.
    nonisolated func contact(_ node: NodeID, at time: UTCTime) async throws {
        for id in work.needing(contactOf: node) {
            try await change(id, at: time) { run, ledger in ledger.apply([.contact(node, at: time)], to: &run) }
        }
    }

    /// A manifest with this content is about to leave for a node, or is what it has: false where a run in it is the node's no
    /// longer.
    nonisolated func deliver(_ content: RunWork.Content, to node: NodeID, at time: UTCTime) async throws -> Bool {
        let given = Set(content.runs.map(\.run))
        for id in work.needing(contactOf: node) where !given.contains(id) {
            try await change(id, at: time) { run, ledger in ledger.apply([.told(node)], to: &run) }
        }
        for id in given {
            let run = try await change(id, at: time) { run, ledger in
                guard run.engine.work(of: node) == .run else { return }
                ledger.apply([.handed(node)], to: &run)
            }
            guard run.engine.work(of: node) == .run else { return false }
        }
        return true
    }

    /// A node left the fleet.
    func nodeLeft(_ node: NodeID, reason: String, at time: UTCTime) async throws {
        for id in live.values.filter({ $0.engine.node(node) != nil }).map(\.id) {
            try await change(id, at: time) { run, ledger in
                ledger.apply([.removed(node, reason: reason)], to: &run)
            }
        }
    }

    /// Lets deadlines pass.
    func tick(at time: UTCTime) async throws {
        for (id, run) in live {
            guard let due = run.engine.nextDeadline, due <= time else { continue }
            let presence = run.engine.phase == .scheduled ? presence(for: run, at: time) : []
            try await change(id, at: time) { run, ledger in ledger.apply(presence + [.tick], to: &run) }
        }
    }

    /// Says which nodes of a run are in contact: those are its first.
    nonisolated func presence(for run: LiveRun, at time: UTCTime) -> [RunEvent] {
        run.engine.nodes.compactMap { node in
            guard let entry = nodes[node.id], let seen = entry.lastSeen, !entry.node.keyLife.isLimited(at: time) else {
                return nil
            }
            return .contact(node.id, at: seen)
        }
    }

    // MARK: - Reading

    /// One run.
    func run(_ id: RunID) async throws -> LiveRun? {
        if let run = live[id] { return run }
        return try await store.read { transaction in
            try transaction.run(id).map { try Self.read($0, transaction) }
        }
    }

    /// One run with its nodes.
    func record(_ id: RunID) async throws -> RunRecord? {
        try await run(id).map { record($0) }
    }

    /// A run with its nodes as operators see it.
    nonisolated func record(_ run: LiveRun) -> RunRecord {
        RunRecord(run) { [nodes] in nodes[$0]?.node.name ?? $0.text }
    }

    /// Runs without their nodes, the newest first.
    func records(_ filter: RunFilter) async throws -> [RunRecord] {
        try await store.read { transaction in
            try transaction.runs(filter).compactMap { stored in
                try transaction.statement(stored.id).map { try RunRecord(stored, $0) }
            }
        }
    }

    private static func read(_ stored: StoredRun, _ transaction: StoreTransaction) throws -> LiveRun {
        guard let statement = try transaction.statement(stored.id) else {
            throw StoreError(.corrupt, "run \(stored.id) has no statement")
        }
        return try LiveRun(stored, try transaction.runNodes(of: stored.id), statement)
    }

    // MARK: - Groups

    private func submit(_ subject: Subject, at time: UTCTime) async throws -> LiveRun {
        try await withCheckedThrowingContinuation { done in
            queue.append(Job(subject: subject, time: time, done: done))
            guard !isDraining else { return }
            isDraining = true
            Task { await drain() }
        }
    }

    private func drain() async {
        while !queue.isEmpty {
            let group = Array(queue.prefix(Self.groupLimit))
            queue.removeFirst(group.count)
            await fetch(group)
            if await carryOut(group) { continue }
            // One bad change must not take the others of its group with it.
            for job in group { _ = await carryOut([job], isAlone: true) }
        }
        isDraining = false
    }

    /// Has the runs at hand that are over.
    private func fetch(_ group: [Job]) async {
        for case .known(let id, _) in group.map(\.subject) where live[id] == nil {
            do {
                let found = try await store.read { transaction in
                    try transaction.run(id).map { try Self.read($0, transaction) }
                }
                live[id] = found
            } catch {
                log.error("run \(id) cannot be read: \(error)")
            }
        }
    }

    /// Does what a group asks for; false where it could not be written, and nobody was told.
    private func carryOut(_ group: [Job], isAlone: Bool = false) async -> Bool {
        var working = live
        var ledger = RunLedger(time: group.map(\.time).max() ?? UTCTime(milliseconds: 0))
        var answers: [Result<RunID, any Error>] = []
        for job in group {
            do {
                try Self.take(job.subject, &working, &ledger)
                answers.append(.success(job.subject.id))
            } catch {
                answers.append(.failure(error))
            }
        }
        if !ledger.isEmpty {
            do {
                let (written, changed) = (ledger, working)
                try await store.write { try written.write($0, changed) }
            } catch {
                guard isAlone || group.count == 1 else { return false }
                for job in group { job.done.resume(throwing: error) }
                return true
            }
        }
        publish(working, ledger)
        for (job, answer) in zip(group, answers) {
            switch answer {
            case .success(let id):
                job.done.resume(
                    with: working[id].map { .success($0) } ?? .failure(Problem.missing("there is no run '\(id)'"))
                )
            case .failure(let error): job.done.resume(throwing: error)
            }
        }
        return true
    }

    private static func take(
        _ subject: Subject,
        _ working: inout [RunID: LiveRun],
        _ ledger: inout RunLedger
    ) throws {
        switch subject {
        case .known(let id, let change):
            // Taken out, so that what changes in it is not copied for every change of a group.
            guard var run = working.removeValue(forKey: id) else { throw Problem.missing("there is no run '\(id)'") }
            defer { working[id] = run }
            try change(&run, &ledger)
        case .new(let new, let write):
            guard working[new.id] == nil else { throw Problem.conflict("statement \(new.id) was used before") }
            var run = new
            ledger.add(run)
            write(&run, &ledger)
            working[new.id] = run
        }
    }

    private func publish(_ working: [RunID: LiveRun], _ ledger: RunLedger) {
        live = working
        work.update(ledger.touched, live)
        keepRecent()
        noteDeadline()
        if !ledger.changedNodes.isEmpty { onChange(ledger.changedNodes) }
        for id in ledger.announced { polls.announce(id) }
    }

    private func keepRecent() {
        for (id, run) in live where run.engine.phase == .ended && !recent.contains(id) { recent.append(id) }
        while recent.count > Self.recentLimit { live[recent.removeFirst()] = nil }
    }

    private func noteDeadline() {
        let deadline = live.values.compactMap(\.engine.nextDeadline).min()
        next.withLock { $0 = deadline }
    }
}
