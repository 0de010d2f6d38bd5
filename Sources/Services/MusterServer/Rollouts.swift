import ByteCoding
import CanonicalJSON
import Logging
import MusterAPI
import MusterModel
import MusterPolicy
import MusterRollout
import MusterStore
import NIOCore
import Synchronization

/// Drives every open rollout: one event after another, each with its state, assignments and log entries in one
/// transaction, before anybody hears of it.
actor Rollouts {
    private let store: Store
    let repository: Repository
    let nodes: NodeRegister
    private let log: Logger
    private let telling: RolloutTelling
    /// Seconds between two reports of a node.
    let reportSeconds: Int64
    let turnstile = Turnstile()
    private(set) var live: [RolloutID: LiveRollout] = [:]
    /// The version of the policy that open rollouts were told of.
    var policyVersion: Int64?
    /// Nobody counts as silent since before the service was there to hear them.
    var listeningSince = UTCTime(milliseconds: 0)
    /// When silence is looked for next.
    var nextListening = UTCTime(milliseconds: 0)
    private var onChange: @Sendable ([NodeID]) -> Void = { _ in }
    private nonisolated let next = Mutex<UTCTime?>(nil)
    private nonisolated let open = Mutex(false)
    /// Wakes whoever waits for a rollout's next revision.
    nonisolated let polls = LongPoll<RolloutID>(limit: 64)

    init(
        store: Store,
        repository: Repository,
        nodes: NodeRegister,
        notices: Notices,
        reportSeconds: Int,
        log: Logger
    ) {
        self.store = store
        self.repository = repository
        self.nodes = nodes
        self.reportSeconds = Int64(reportSeconds)
        self.log = log
        telling = RolloutTelling(notices: notices, repository: repository)
    }

    /// Whether any rollout is open: without one, reports need no look at the engine.
    nonisolated var hasOpen: Bool { open.withLock { $0 } }

    /// When `tick` is due; nil while nothing has a deadline.
    nonisolated var nextDeadline: UTCTime? { next.withLock { $0 } }

    /// `changed` is told the nodes whose assignments changed, after that is on disk.
    func onAssignmentChange(_ changed: @escaping @Sendable ([NodeID]) -> Void) {
        onChange = changed
    }

    /// Reads the open rollouts and tells them what nodes last said: a report that was stored just before the end counts.
    func start(at time: UTCTime) async throws {
        let stored = try await store.read { transaction in
            try transaction.openRollouts().map { rollout in
                guard let statement = try transaction.statement(rollout.id) else {
                    throw StoreError(.corrupt, "rollout \(rollout.id) has no statement")
                }
                return try LiveRollout(rollout, try transaction.rolloutNodes(of: rollout.id), statement)
            }
        }
        for rollout in stored { live[rollout.id] = rollout }
        listeningSince = time
        noteDeadlines(at: time)
        // What others are changing comes before anything that could let one of them begin more.
        try await turnstile.pass { try await tellLimits(at: time) }
        try await followPolicy(at: time)
        for entry in nodes.all {
            guard let report = entry.report, !report.progress.isEmpty else { continue }
            try await take(NodeRegister.Change(entry: entry, hasProgress: true, hasFacts: true), at: time)
        }
    }

    // MARK: - Events

    /// Starts the rollout that a verified statement asks for; `missing` says which approvals it waits for.
    func create(
        _ signed: SignedStatement,
        signers: [OperatorName],
        missing: String,
        at time: UTCTime
    ) async throws {
        guard let body = signed.statement.body.packageChange else { return }
        let publication = try repository.publication()
        let selection = RolloutSelection(signed.statement, body, publication.releases)
        let selected = nodes.all.filter { selection.target($0) != nil }
        let isRollBack = signed.statement.type == .rollBack
        try await turnstile.pass {
            let superseded = try superseded(signed, body, selected)
            let engine = Rollout(
                id: signed.statement.id,
                version: body.version,
                strategy: body.strategy,
                expires: signed.statement.expires,
                isApproved: missing.isEmpty
            )
            var rollout = LiveRollout(
                engine: engine,
                statement: signed,
                signers: signers,
                missing: missing,
                started: time
            )
            var ended: [LiveRollout] = []
            for id in superseded {
                let reason = "superseded by \(signed.statement.type.rawValue) \(signed.statement.id)"
                guard let old = live[id] else { continue }
                ended.append(
                    try await apply(old, [.cancel(reason: reason, by: signed.statement.requester)], at: time)
                )
            }
            let policy = policy(rollout)
            let facts = selected.map { entry in
                let mayBeChanging = isRollBack && isChanging(entry, ended)
                return fact(of: entry, &rollout, policy, selection, mayBeChanging: mayBeChanging, at: time)
            }
            let events = beginning(&rollout, policy, facts, at: time)
            try await apply(rollout, events, at: time) { transaction in
                guard try transaction.add(signed, received: time) else {
                    throw Problem.conflict("statement \(signed.statement.id) was used before")
                }
                try transaction.append(
                    event: "rollout-started",
                    actor: signed.statement.requester.text,
                    detail: [
                        "rollout": JSONValue(signed.statement.id), "type": .string(signed.statement.type.rawValue),
                        "package": .string(body.package), "version": .string(body.version),
                        "signers": JSONValue(signers), "missing": .string(missing),
                    ],
                    at: time
                )
            }
            try await tellLimits(at: time)
        }
    }

    /// Open rollouts of the same package on the same nodes: halted ones give way, others are in the way of an upgrade.
    private func superseded(
        _ signed: SignedStatement,
        _ body: UpgradeBody,
        _ selected: [NodeRegister.Entry]
    ) throws -> [RolloutID] {
        var ids: [RolloutID] = []
        for other in live.values where other.body?.package == body.package {
            guard selected.contains(where: { other.engine.node($0.node.id) != nil }) else { continue }
            var givesWay = signed.statement.type == .rollBack
            if case .halted = other.engine.phase { givesWay = true }
            guard givesWay else {
                throw Problem.conflict(
                    "rollout \(other.id) of \(body.package) is open for some of these nodes: halt or cancel it first"
                )
            }
            ids.append(other.id)
        }
        return ids
    }

    /// Takes what a node's report, already on disk, says about open rollouts.
    func take(_ change: NodeRegister.Change, at time: UTCTime) async throws {
        for id in live.keys {
            // Most reports are nothing to the rollout, and wait for nobody.
            guard let present = live[id], change.hasFacts || !said(change, to: present).isEmpty else { continue }
            try await turnstile.pass {
                guard var rollout = live[id] else { return }
                var facts: [RolloutEvent] = []
                // The node as it is by now: it may have been held, or have left, meanwhile.
                if change.hasFacts, let entry = nodes[change.entry.node.id] {
                    facts = selection(&rollout, entry, at: time)
                }
                try await step(rollout, said(change, to: rollout, after: facts), at: time)
            }
        }
    }

    /// What a report says to a rollout beside its `facts`; that the node was in contact where there is nothing else.
    private func said(
        _ change: NodeRegister.Change,
        to rollout: LiveRollout,
        after facts: [RolloutEvent] = []
    ) -> [RolloutEvent] {
        let node = change.entry.node.id
        var events = facts
        if let metrics = change.entry.report?.metrics, rollout.engine.needs(measured: node) {
            events.append(.measured(node, metrics))
        }
        if change.hasProgress {
            for progress in change.entry.report?.progress ?? [] where progress.rollout == rollout.id {
                events.append(.reported(node, progress))
            }
        }
        if events.isEmpty, rollout.engine.needs(seen: node) { events.append(.seen(node)) }
        return events
    }

    /// A node is being handed its manifest.
    func seen(_ node: NodeID, at time: UTCTime) async throws {
        for (id, rollout) in live where rollout.engine.needs(seen: node) {
            try await handle(id, [.seen(node)], at: time)
        }
    }

    /// A node joined, has other tags now, or is gone.
    func nodeChanged(_ node: NodeID, at time: UTCTime) async throws {
        guard nodes[node] != nil else {
            let reason = nodes.removal(node).map { "removed: \($0)" } ?? "no longer in the fleet"
            for (id, rollout) in live where rollout.engine.node(node) != nil {
                try await handle(id, [.nodeRemoved(node, reason: reason)], at: time)
            }
            return
        }
        for id in live.keys {
            try await turnstile.pass {
                guard var rollout = live[id], let entry = nodes[node] else { return }
                var events = selection(&rollout, entry, at: time)
                if events.isEmpty, rollout.engine.node(node) != nil {
                    events = [.nodeRemoved(node, reason: "no longer selected")]
                }
                try await step(rollout, events, at: time)
            }
        }
    }

    /// Lets deadlines pass.
    func tick(at time: UTCTime) async throws {
        for (id, rollout) in live {
            guard let due = rollout.engine.nextDeadline(after: UTCTime(milliseconds: 0)), due <= time else { continue }
            try await handle(id, staleSlots(rollout, at: time) + [.tick], at: time)
        }
    }

    /// What an operator does to a rollout.
    func control(_ id: RolloutID, _ event: RolloutEvent, at time: UTCTime) async throws {
        guard live[id] != nil else { throw Problem.conflict("rollout \(id) is over") }
        try await handle(id, [event], at: time)
    }

    /// Adds an approver's signature, and lets the rollout run once policy is content.
    func approve(_ id: RolloutID, _ signature: [UInt8], check: StatementCheck, at time: UTCTime) async throws {
        try await turnstile.pass {
            guard var rollout = live[id] else { throw Problem.conflict("rollout \(id) is over") }
            guard !rollout.engine.isApproved else { throw Problem.conflict("rollout \(id) has the approvals it needs") }
            let name = try check.signer(signature, of: rollout.statement)
            guard !rollout.signers.contains(name) else { throw Problem.conflict("\(name) has signed already") }
            rollout.signers.append(name)
            rollout.statement.signatures.append(signature)
            rollout.missing = try missing(rollout.statement.statement, rollout.signers, check, by: name)
            let statement = rollout.statement
            let isApproved = rollout.missing.isEmpty
            let events = isApproved ? approval(of: &rollout, at: time) : []
            try await apply(rollout, events, at: time, isChanged: true) { transaction in
                try transaction.replace(statement)
                try transaction.append(
                    event: "rollout-approved",
                    actor: name.text,
                    detail: ["rollout": JSONValue(id), "complete": .bool(isApproved)],
                    at: time
                )
            }
            try await tellLimits(at: time)
        }
    }

    /// What policy still asks for; refuses a statement that it does not allow, or an approver who does not count.
    func missing(
        _ statement: Statement,
        _ signers: [OperatorName],
        _ check: StatementCheck,
        by approver: OperatorName? = nil
    ) throws(Problem) -> String {
        guard let body = statement.body.packageChange else { return "" }
        let selection = RolloutSelection(statement, body, check.publication.releases)
        let selected: [NodeFacts?] = nodes.all.filter { selection.target($0) != nil }.map { $0.facts }
        var missing = ""
        var most = 0
        var closed = true
        for node in selected.isEmpty ? [nil] : selected {
            if closed, try !check.neverOpens(statement, signers: signers, node: node) { closed = false }
            switch try check.decide(statement, signers: signers, node: node, hours: .ignored) {
            case .allowed: break
            case .needsApprovals(let shortage):
                if let approver, !shortage.have.contains(approver) {
                    throw .refused(
                        "\(approver) may not approve this: ask \(shortage.from.map(\.text).joined(separator: ", "))"
                    )
                }
                if shortage.missing > most {
                    most = shortage.missing
                    missing = PolicyDecision.needsApprovals(shortage).description
                }
            case .refused(let reasons):
                throw .refused(PolicyDecision.refused(reasons).description)
            }
        }
        guard !closed else {
            throw .refused(
                "\(try check.closing(statement, signers: signers)), and the statement expires at \(statement.expires)"
            )
        }
        return missing
    }

    // MARK: - Reading

    /// One rollout with its nodes.
    func record(_ id: RolloutID) async throws -> RolloutRecord? {
        guard let rollout = try await find(id) else { return nil }
        let package = rollout.body?.package ?? ""
        return rollout.record { [nodes] node in
            guard let entry = nodes[node] else { return (node.text, "") }
            return (entry.node.name, entry.report?.packages[package] ?? "")
        }
    }

    /// One rollout, also one that is over.
    private func find(_ id: RolloutID) async throws -> LiveRollout? {
        if let rollout = live[id] { return rollout }
        return try await store.read { transaction -> LiveRollout? in
            guard let stored = try transaction.rollout(id), let statement = try transaction.statement(id) else {
                return nil
            }
            return try LiveRollout(stored, try transaction.rolloutNodes(of: id), statement)
        }
    }

    /// Every rollout without its nodes, the newest first.
    func records(limit: Int) async throws -> [RolloutRecord] {
        let live = live
        return try await store.read { transaction in
            try transaction.rollouts(limit: limit).compactMap { stored in
                if let rollout = live[stored.id] { return rollout.record(names: nil) }
                guard let statement = try transaction.statement(stored.id) else { return nil }
                if let record = try RolloutRecord(summaryOf: stored, statement) { return record }
                return try LiveRollout(stored, try transaction.rolloutNodes(of: stored.id), statement).record(
                    names: nil
                )
            }
        }
    }

    /// The versions that open rollouts give each node, by package.
    func targets() -> [NodeID: [String: String]] {
        var targets: [NodeID: [String: String]] = [:]
        for rollout in live.values.sorted(by: { $0.started < $1.started }) {
            guard let body = rollout.body else { continue }
            for node in rollout.engine.assignedNodes { targets[node, default: [:]][body.package] = body.version }
        }
        return targets
    }

    // MARK: - One event

    func handle(_ id: RolloutID, _ events: [RolloutEvent], at time: UTCTime) async throws {
        guard !events.isEmpty else { return }
        try await turnstile.pass {
            guard let rollout = live[id] else { return }
            try await step(rollout, events, at: time)
        }
    }

    /// Applies events, if there are any, and tells the other rollouts what follows for them.
    ///
    /// Only behind the turnstile.
    private func step(_ rollout: LiveRollout, _ events: [RolloutEvent], at time: UTCTime) async throws {
        guard !events.isEmpty else { return }
        try await apply(rollout, events, at: time)
        try await tellLimits(at: time)
    }

    /// Applies events to a copy, writes what follows, and only then lets the copy count.
    ///
    /// Only behind the turnstile. Returns the rollout as it is then.
    @discardableResult
    func apply(
        _ rollout: LiveRollout,
        _ events: [RolloutEvent],
        at time: UTCTime,
        isChanged: Bool = false,
        with extra: @escaping @Sendable (StoreTransaction) throws -> Void = { _ in }
    ) async throws -> LiveRollout {
        var changed = rollout
        var writer = RolloutWriter(rollout: rollout.id, time: time)
        var all: [RolloutEffect] = []
        for event in events {
            let before = writer.state(event, changed.engine)
            let effects = changed.engine.apply(event, at: time)
            writer.note(event, before: before, after: changed.engine)
            all += effects
            for effect in effects {
                if case .assign(let node) = effect {
                    changed.engine.remember(installed(changed, on: node) ?? "", on: node)
                }
                writer.note(effect, target: target(effect, rollout))
            }
        }
        let isNew = rollout.revision == 0
        guard isNew || isChanged || changed.engine.revision != rollout.engine.revision else {
            // Nothing to write; what hours and limits it was told of may be news all the same.
            live[rollout.id] = rollout
            return rollout
        }
        changed.revision += 1
        let (stored, parts) = changed.takeStored()
        let written = writer
        let told = telling.waiting(changed, all, isNew: isNew, at: time)
        try await store.write { transaction in
            try extra(transaction)
            try transaction.put(stored)
            try transaction.put(parts, of: stored.id)
            try written.write(transaction)
            for notice in told { try transaction.add(notice) }
        }
        live[rollout.id] = changed.engine.phase.isOpen ? changed : nil
        noteDeadlines(at: time)
        polls.announce(rollout.id)
        onChange(written.changedNodes)
        if !told.isEmpty { await telling.notices.deliverSoon() }
        return changed
    }

    private func installed(_ rollout: LiveRollout, on node: NodeID) -> String? {
        rollout.body.flatMap { nodes[node]?.report?.packages[$0.package] }
    }

    private func target(_ effect: RolloutEffect, _ rollout: LiveRollout) -> String? {
        guard case .assign(let node) = effect, let body = rollout.body else { return nil }
        let releases = repository.current?.releases ?? ReleaseIndex()
        let selection = RolloutSelection(rollout.statement.statement, body, releases)
        return selection.file(for: nodes[node]?.report?.architecture ?? "") ?? body.targets.first?.path
    }

    private func noteDeadlines(at time: UTCTime) {
        let deadline = live.values.compactMap { $0.engine.nextDeadline(after: UTCTime(milliseconds: 0)) }.min()
        let isOpen = !live.isEmpty
        next.withLock { $0 = deadline }
        open.withLock { $0 = isOpen }
    }
}
