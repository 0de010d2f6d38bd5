import ByteCoding
import Logging
import MusterModel
import MusterSystem

extension NodeRuns {
    /// Takes in what a manifest says of runs; on the disk when this returns, so that the manifest need not come again.
    ///
    /// Whoever holds the service writes manifests: nothing is kept of a run that no operator signed for this node. Queued
    /// runs that it does not list any more are dropped; what has begun goes on unless it was cancelled.
    func take(_ manifest: UpdateManifest) async throws(SystemError) {
        for id in manifest.cancelled { try cancel(id) }
        let screened = try await screen(manifest)
        let executed = await state.executed
        let now = clock.now()
        for (place, entry) in manifest.runs.enumerated() where !manifest.cancelled.contains(entry.run) {
            try take(entry, place, screened[place], executed, now)
        }
        let listed = Set(manifest.runs.map(\.run))
        for run in queue where !listed.contains(run.id) && !manifest.cancelled.contains(run.id) {
            logger.info("run dropped: the manifest does not list it any more", metadata: ["run": "\(run.id)"])
            try remove(run.id)
        }
        try forgetExpired(now)
        wake()
    }

    /// Ends a run: one that waits never starts, one that goes on gets TERM, then KILL.
    func cancel(_ id: RunID) throws(SystemError) {
        guard let run = runs[id] else { return }
        switch run.phase {
        case .accepted:
            settle(id, RunOutcome(.cancelled, "taken back before it started; nothing ran", at: clock.now()))
        case .starting:
            let folder = shelf.folder(id)
            guard !Directory.exists(folder.cancel), !Directory.exists(folder.result) else { return }
            logger.notice("run is being cancelled", metadata: ["run": "\(id)", "command": "\(run.command)"])
            try AtomicFile.write([], to: folder.cancel)
        case .ended, .forgotten: return
        }
    }

    private func take(
        _ entry: UpdateManifest.Run,
        _ place: Int,
        _ screening: RunScreening?,
        _ executed: ExecutedStatements,
        _ now: UTCTime
    ) throws(SystemError) {
        if let known = runs[entry.run] { return again(known, entry) }
        // What is kept under an id is what somebody signed with it: a wrong entry must not stand in the way of the right one.
        guard entry.statement.statement.id == entry.run else {
            return logger.warning(
                "refused: the entry's statement is not that of its id",
                metadata: ["run": "\(entry.run)", "statement": "\(entry.statement.statement.id)"]
            )
        }
        let wasBegun = executed.contains(entry.run) || damaged.contains(entry.run) || shelf.folder(entry.run).wasBegun
        let lost = RunOutcome(.lost, "it was begun here before, and there is no record of how it ended", at: now)
        if let outcome = try refusal(of: entry, screening, executed, now) {
            return answer(entry, wasBegun ? lost : outcome)
        }
        var run = NodeRun(entry, taken: now, place: place)
        if wasBegun { run.end(lost) }
        try shelf.store(run)
        runs[run.id] = run
        damaged.remove(run.id)
        observer(run.phase == .accepted ? .accepted : .ended)
    }

    /// What is thought of the runs that are not known yet, by their places.
    private func screen(_ manifest: UpdateManifest) async throws(SystemError) -> [Int: RunScreening] {
        var screened: [Int: RunScreening] = [:]
        for (place, entry) in manifest.runs.enumerated() {
            guard runs[entry.run] == nil, !manifest.cancelled.contains(entry.run) else { continue }
            let screening = await authority.screen(entry)
            if case .unavailable(let reason) = screening {
                throw SystemError("look at", "the runs of manifest \(manifest.sequence)", because: reason)
            }
            screened[place] = screening
        }
        return screened
    }

    /// Why nothing is kept of a run; nil where it is to be kept.
    private func refusal(
        of entry: UpdateManifest.Run,
        _ screening: RunScreening?,
        _ executed: ExecutedStatements,
        _ now: UTCTime
    ) throws(SystemError) -> RunOutcome? {
        let expires = entry.statement.statement.expires
        guard now < expires else { return .expired(expires, at: now) }
        switch screening {
        case .fit: break
        case .refused(let reason): return RunOutcome(.refused, reason, at: now)
        case .unavailable, nil: return RunOutcome(.refused, "its signatures could not be looked at", at: now)
        }
        guard try makeRoom(executed, now) else {
            let reason = "this node keeps \(limits.records) runs, none of which it may forget yet: ask again later"
            return RunOutcome(.refused, reason, at: now)
        }
        return nil
    }

    /// Whether one more run can be kept; where there are too many, the oldest that ended are forgotten.
    ///
    /// First those that were refused, then those whose statement has expired. One that may have run is kept until its
    /// statement's end whatever comes: that keeps it from running again.
    private func makeRoom(_ executed: ExecutedStatements, _ now: UTCTime) throws(SystemError) -> Bool {
        let excess = runs.count - limits.records + 1
        guard excess > 0 else { return true }
        let ended = runs.values.filter { $0.phase == .ended || $0.phase == .forgotten }.sorted { $0.isBefore($1) }
        func neverRan(_ run: NodeRun) -> Bool { run.isRefused && !executed.contains(run.id) }
        let expired = ended.filter { !neverRan($0) && $0.expires < now }
        for run in (ended.filter(neverRan) + expired).prefix(excess) { try remove(run.id) }
        return runs.count < limits.records
    }

    /// Lets go of a run altogether.
    private func remove(_ id: RunID) throws(SystemError) {
        try shelf.remove(id)
        runs[id] = nil
        undelivered[id] = nil
        tried[id] = nil
    }

    /// Tells the service what became of a run of which nothing is kept; from memory, as often as it asks.
    private func answer(_ entry: UpdateManifest.Run, _ outcome: RunOutcome) {
        logger.warning(
            "run not taken in",
            metadata: ["run": "\(entry.run)", "outcome": "\(outcome.text)"]
        )
        if answers.isEmpty { unanswered = nil }
        answers.removeAll { $0.run == entry.run }
        answers.append((entry.run, outcome))
        answers.removeFirst(max(0, answers.count - limits.answers))
    }

    /// The service lists a run that this node knows: where it is over, the service has not understood so, and is told again.
    private func again(_ known: NodeRun, _ entry: UpdateManifest.Run) {
        guard known.digest == NodeRun(entry, taken: known.taken, place: 0).digest else {
            return logger.warning(
                "another statement for a run that is known is ignored",
                metadata: ["run": "\(entry.run)"]
            )
        }
        switch known.phase {
        case .accepted, .starting: break
        case .ended: runs[known.id]?.delivered = nil
        case .forgotten:
            runs[known.id]?.end(
                RunOutcome(.lost, "it ended here before, and how is not kept any more", at: clock.now())
            )
            runs[known.id]?.delivered = nil
        }
    }

    /// Removes what is left of runs whose statement nobody can use any more.
    ///
    /// Done only with a manifest at hand that was just believed: trusted metadata are a day old at most, so a clock that runs
    /// ahead cannot make this node forget a statement that is still good.
    private func forgetExpired(_ now: UTCTime) throws(SystemError) {
        for run in runs.values where run.phase == .forgotten {
            guard run.expires.adding(seconds: limits.rememberedSeconds) < now else { continue }
            try remove(run.id)
        }
    }

    /// Lets go of output and outcomes that the service has.
    func tidy() {
        let now = clock.now()
        let delivered = runs.values.filter { $0.phase == .ended && $0.delivered != nil }
            .sorted { ($0.delivered ?? now) > ($1.delivered ?? now) }
        for (index, run) in delivered.enumerated() {
            let age = now.milliseconds - (run.delivered ?? now).milliseconds
            guard index >= limits.kept || age >= limits.keptSeconds * 1000 else { continue }
            var forgotten = run
            forgotten.forget()
            do throws(SystemError) {
                try shelf.store(forgotten)
                runs[run.id] = forgotten
                try shelf.folder(run.id).empty()
            } catch {
                logger.error("\(error)", metadata: ["run": "\(run.id)"])
            }
        }
    }
}
