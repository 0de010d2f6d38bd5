import ByteCoding
import Logging
import MusterModel
import MusterSystem

/// Takes manifests in and begins the journals of their assignments, one after the other.
struct AssignmentQueue: Sendable {
    let state: NodeState
    let authority: any FleetAuthority
    let service: any FleetService
    let runs: NodeRuns?
    var visitor: Visitor?
    /// Packages that the node's owner keeps as they are, and why.
    var pins: [String: String] = [:]
    let clock: AgentClock
    let logger: Logger

    /// Milliseconds by which an answer may come before its time without being early: the service counts whole seconds.
    private static let tolerance: Int64 = 2000

    /// What came of a look at the queue.
    enum Outcome: Sendable {
        /// A journal was begun.
        case begun
        /// An assignment was refused; the memory says why.
        case refused
        /// What there is waits for its hour, and that is news.
        case held
        /// There is nothing to do.
        case empty
        /// Nothing can be said now, and why.
        case unavailable(String)
    }

    /// What came of asking for a newer manifest.
    enum Poll: Sendable {
        /// There is none; `early` where the service ended the question before its time, since there is something new in
        /// the repository.
        case nothing(early: Bool)
        /// One came and was accepted.
        case accepted
        /// Nothing can be said now, or what came is not to be obeyed, and why.
        case unavailable(String)
    }

    /// Asks for a newer manifest for at most `wait` seconds, or until an assignment's hour has come, and takes it in.
    func poll(wait longest: Int) async -> Poll {
        do {
            let wait = await wait(atMost: longest)
            if let keys = await authority.manifestKeys() { try await follow(keys) }
            let sequence = await state.memory.sequence
            let asked = clock.monotonic()
            guard let envelope = try await service.manifest(after: sequence, wait: wait) else {
                return .nothing(early: clock.monotonic() - asked < Int64(wait) * 1000 - Self.tolerance)
            }
            return try await take(envelope).map { .unavailable($0) } ?? .accepted
        } catch {
            return .unavailable("\(error)")
        }
    }

    /// Notes which keys sign manifests; the sequence of keys that were replaced is no question to ask of an honest service.
    private func follow(_ keys: [String]) async throws(SystemError) {
        let before = await state.memory.sequence
        try await state.change { $0.follow(keys) }
        guard await state.memory.sequence < before else { return }
        logger.notice("the keys of manifests changed: their sequence begins anew", metadata: ["sequence": "\(before)"])
    }

    private func wait(atMost longest: Int) async -> Int {
        // While an upgrade goes on nothing else begins, whatever hour has come.
        guard await state.journal == nil, let opens = await state.held.values.map({ $0.until }).min() else {
            return longest
        }
        let left = (opens.milliseconds - clock.now().milliseconds) / 1000 + 1
        return Int(min(Int64(longest), max(left, 1)))
    }

    /// Judges a manifest as it came; nil when it is accepted, else why nothing comes of it.
    private func take(_ envelope: [UInt8]) async throws(SystemError) -> String? {
        switch await authority.judge(manifest: envelope, memory: await state.memory) {
        case .unavailable(let reason): return reason
        case .refused(let reason): return "the manifest is refused: \(reason)"
        case .accepted(let manifest, let tags, let tagsIssued, let keys):
            try await withdraw(unlessIn: manifest)
            try await runs?.take(manifest)
            if let visitor, !manifest.reach.isEmpty {
                // Beside everything else: whoever waits for a visit waits a minute or so.
                Task { await visitor.visit(manifest.reach) }
            }
            let begun = await state.journal?.rollout
            let executed = await state.executed
            try await state.change { memory in
                memory.sequence = manifest.sequence
                memory.sequenceKeys = keys
                memory.tags = tags
                memory.tagsIssued = tagsIssued
                // What this node did already needs no second look, unless it never said how it ended.
                memory.queue = manifest.assignments.filter { assignment in
                    let isKnown = memory.progress.contains { $0.rollout == assignment.rollout }
                    return assignment.rollout != begun && !(isKnown && executed.contains(assignment.rollout))
                }
            }
            logger.info(
                "manifest accepted",
                metadata: [
                    "sequence": "\(manifest.sequence)", "assignments": "\(manifest.assignments.count)",
                    "runs": "\(manifest.runs.count)",
                ]
            )
            return nil
        }
    }

    /// Judges the next assignment and begins its journal where it is allowed.
    ///
    /// One whose hour has not come is held, not refused, and stands in nobody's way: it is judged again with the next look,
    /// and the service is told why it waits.
    func beginNext() async throws(SystemError) -> Outcome {
        guard await state.journal == nil else { return .empty }
        var held: [RolloutID: UpgradeHold] = [:]
        for assignment in await state.memory.queue {
            if await state.executed.contains(assignment.statement.statement.id) {
                try await refuse(assignment, "the statement was used before: a statement is obeyed once")
                return .refused
            }
            if let reason = pinned(assignment) {
                try await refuse(assignment, reason)
                return .refused
            }
            switch await authority.judge(assignment, memory: await state.memory) {
            case .unavailable(let reason): return .unavailable(reason)
            case .closed(let reason, let until):
                held[assignment.rollout] = UpgradeHold(assignment, reason, until: until, since: clock.now())
            case .refused(let reason):
                try await refuse(assignment, reason)
                return .refused
            case .allowed(let release, let target):
                await state.setHeld(held)
                try await state.begin(
                    UpgradeJournal(assignment: assignment, release: release, target: target, at: clock.now())
                )
                return .begun
            }
        }
        return await state.setHeld(held) ? .held : .empty
    }

    /// Why the node's owner does not want it; nil where it is nobody's business.
    private func pinned(_ assignment: UpdateManifest.Assignment) -> String? {
        pinned(assignment.statement.statement.body.packageChange?.package ?? "")
    }

    /// Why the node's owner does not want a package to be changed; nil where it is nobody's business.
    func pinned(_ package: String) -> String? {
        pins[package].map {
            "this node's own configuration keeps \(package) as it is" + ($0.isEmpty ? "" : ": \($0)")
        }
    }

    /// Ends an upgrade that has changed nothing yet and that the manifest does not carry any more.
    ///
    /// On the disk before the manifest's sequence is: whoever is killed in between gets the manifest once more.
    private func withdraw(unlessIn manifest: UpdateManifest) async throws(SystemError) {
        guard let journal = await state.journal, journal.phase.isBeforeInstall,
            !manifest.assignments.contains(where: { $0.rollout == journal.rollout })
        else { return }
        let reason = "taken back by manifest \(manifest.sequence) before the installation; nothing was changed"
        logger.notice("assignment withdrawn", metadata: ["rollout": "\(journal.rollout)", "reason": "\(reason)"])
        try await state.apply(.withdrawn(reason), at: clock.now())
    }

    private func refuse(_ assignment: UpdateManifest.Assignment, _ reason: String) async throws(SystemError) {
        logger.warning("assignment refused", metadata: ["rollout": "\(assignment.rollout)", "reason": "\(reason)"])
        let now = clock.now()
        try await state.change { memory in
            memory.queue.removeAll { $0.rollout == assignment.rollout }
            memory.remember(
                NodeProgress(
                    rollout: assignment.rollout,
                    state: .refused,
                    version: memory.installed[assignment.statement.statement.body.packageChange?.package ?? ""]?.version
                        ?? "",
                    reason: reason.bounded(2048),
                    at: now
                )
            )
        }
    }
}
