import Glibc
import Logging
import MusterModel
import MusterSystem

extension NodeRuns {
    /// Waits until a run that was begun has an outcome, whoever began it.
    func watch(_ id: RunID) async {
        let supervisor = supervisors[id]
        let folder = shelf.folder(id)
        while !Task.isCancelled, runs[id]?.phase == .starting {
            // Our own one is left alone while it lives: a lock taken for a look would keep it from beginning.
            if supervisor?.hasEnded() ?? true {
                let complaint = supervisor?.complaint ?? ""
                do throws(SystemError) {
                    if let outcome = try await settled(folder, id, complaint) { return settle(id, outcome) }
                } catch {
                    logger.error("\(error)", metadata: ["run": "\(id)"])
                    try? await clock.sleep(.seconds(1))
                }
            }
            try? await clock.sleep(.milliseconds(limits.tick))
        }
    }

    /// Puts down how a run ended; where that cannot be written, the run's own files still say it on the next start.
    func settle(_ id: RunID, _ outcome: RunOutcome) {
        guard var run = runs[id], run.phase == .accepted || run.phase == .starting else { return }
        run.end(outcome)
        runs[id] = run
        supervisors[id] = nil
        do throws(SystemError) {
            try shelf.store(run)
        } catch {
            logger.error("\(error)", metadata: ["run": "\(id)"])
        }
        logger.notice(
            "run ended",
            metadata: [
                "run": "\(id)", "command": "\(run.command)", "requester": "\(run.requester)",
                "outcome": "\(outcome.text)",
            ]
        )
        observer(.ended)
        wake()
    }

    /// How a run ended; nil while its supervisor lives.
    ///
    /// Where there is none and no outcome, this says what is known, and under the lock: a supervisor that comes too late
    /// finds that and starts nothing.
    private func settled(
        _ folder: RunFolder,
        _ id: RunID,
        _ complaint: String
    ) async throws(SystemError) -> RunOutcome? {
        guard let lock = try FileLock.tryAcquire(folder.lock) else { return nil }
        defer { withExtendedLifetime(lock) {} }
        let now = clock.now()
        if Directory.exists(folder.result) {
            do throws(SystemError) {
                if let outcome = try folder.outcome() { return outcome }
            } catch {
                return RunOutcome(.lost, "what its supervisor wrote down is damaged: \(error)", at: now)
            }
        }
        var outcome = RunOutcome(
            .notStarted,
            complaint.isEmpty ? "the agent or the node was stopped before it started; nothing ran" : complaint,
            at: now
        )
        if Directory.exists(folder.started) {
            let ended = await endLeftovers(folder, id)
            let rest = ended == 0 ? "" : "; \(ended) processes of it that were still there were ended"
            let reason = "its supervisor was lost, so whether and how it ended is not known" + rest
            outcome = RunOutcome(.lost, reason, at: now)
        }
        try StateFile.store(outcome.json, folder.result)
        return outcome
    }

    /// Ends what a lost supervisor left behind, and says how many processes that were.
    private func endLeftovers(_ folder: RunFolder, _ id: RunID) async -> Int {
        guard let start = try? folder.start() else { return 0 }
        var ended: Set<Int32> = []
        for _ in 0..<100 {
            let left = start.leftovers(of: id.text)
            if left.isEmpty { break }
            for entry in left {
                kill(entry.id, SIGKILL)
                ended.insert(entry.id)
            }
            try? await clock.sleep(.milliseconds(20))
        }
        return ended.count
    }
}
