import ByteCoding
import Logging
import MusterKeys
import MusterModel
import MusterSystem
import MusterTrust

extension NodeRuns {
    /// Begins what is due and allowed, as far as there is room.
    func begin() async {
        for run in queue {
            guard activeCount < limits.atOnce, !Task.isCancelled else { return }
            let now = clock.now()
            if run.expires <= now {
                settle(run.id, .expired(run.expires, at: now))
                continue
            }
            if let start = run.notBefore, now < start { continue }
            guard clock.monotonic() >= judgeAgain else { return }
            guard await judge(run) else { return }
        }
    }

    /// False where nothing can be judged now.
    private func judge(_ run: NodeRun) async -> Bool {
        guard let entry = run.entry else { return true }
        let judgement = await authority.judge(entry, memory: await state.memory)
        // Meanwhile a manifest may have taken it back.
        guard runs[run.id]?.phase == .accepted else { return true }
        if case .unavailable(let reason) = judgement {
            if reason != obstacle { logger.notice("runs wait: \(reason)") }
            obstacle = reason
            judgeAgain = clock.monotonic() + (judgeBackoff.next() ?? .seconds(30)).wholeMilliseconds
            return false
        }
        obstacle = ""
        judgeAgain = .min
        judgeBackoff.reset()
        switch judgement {
        case .allowed(let verified): await begin(run, verified)
        case .refused(let reason): refuse(run, reason)
        case .notYet, .unavailable: break
        }
        return true
    }

    private func refuse(_ run: NodeRun, _ reason: String) {
        settle(run.id, RunOutcome(.refused, reason, at: clock.now()))
    }

    /// Uses the run's id up and starts its supervisor.
    private func begin(_ run: NodeRun, _ verified: VerifiedRun) async {
        let plan: SecretBytes
        do throws(RunObstacle) {
            plan = try preparation.plan(verified)
        } catch {
            return refuse(run, error.reason)
        }
        do throws(SystemError) {
            guard try await state.executeOnce(verified.statement, at: clock.now()) else {
                return refuse(run, "replayed: the statement was used before: a statement is obeyed once")
            }
        } catch {
            // Nothing was used up: it is tried again, until it expires.
            obstacle = "\(error)"
            judgeAgain = clock.monotonic() + (judgeBackoff.next() ?? .seconds(30)).wholeMilliseconds
            return logger.error("a run cannot begin: \(error)", metadata: ["run": "\(run.id)"])
        }
        observer(.used)
        guard var starting = runs[run.id], starting.phase == .accepted else { return }
        starting.phase = .starting
        runs[run.id] = starting
        // No other turn of this actor comes between here and the end: whoever cancels now finds a supervisor.
        do throws(SystemError) {
            try shelf.store(starting)
            observer(.starting)
            supervisors[run.id] = try launcher.launch(run.id, shelf.folder(run.id), plan)
            observer(.launched)
            logger.notice(
                "run started",
                metadata: [
                    "run": "\(run.id)", "command": "\(run.command)", "requester": "\(run.requester)",
                    "user": "\(verified.command.user)",
                ]
            )
        } catch {
            settle(run.id, RunOutcome(.notStarted, "\(error)", at: clock.now()))
        }
    }
}
