import ByteCoding
import Logging
import MusterAPI
import MusterModel
import MusterSystem

extension NodeRuns {
    /// Tells the service of a run: that it started, what it writes, how it ended; until the service has all of it.
    ///
    /// The service says after each update how many bytes it has on its disk: that is where the next one begins, after a loss of
    /// the service, a restart of the agent, or a service that was set back alike.
    func deliver(_ id: RunID) async {
        var reader = RunOutputReader(shelf.folder(id))
        var backoff = Backoff(limits.retry, seed: clock.random())
        var offset: Int64 = 0
        var isFirst = true
        var sent: Int64 = .min
        var stalls = 0
        var failures = 0
        let began = clock.now()
        while !Task.isCancelled {
            guard let run = runs[id], run.phase == .starting || run.isUndelivered else { return }
            // The first one carries no output: its answer says what the service has.
            let pieces = isFirst ? [] : (try? reader.read(from: offset, limit: limits.piece)) ?? []
            let size = pieces.reduce(0) { $0 + Int64($1.data.count) }
            // Counting reads all that follows: only where somebody asks for it.
            let total = isFirst || run.outcome != nil ? (try? reader.count()) ?? 0 : 0
            let isWhole = run.outcome != nil && offset + size >= total
            if run.outcome == nil, !isFirst {
                let isPatient = size < Int64(limits.piece) && clock.monotonic() - sent < limits.pace
                if pieces.isEmpty || isPatient {
                    guard (try? await clock.sleep(.milliseconds(limits.tick))) != nil else { return }
                    continue
                }
            }
            let update =
                isWhole
                ? run.outcome?.update(offset: offset, output: pieces)
                : RunUpdate(state: .started, at: began, offset: offset, output: pieces)
            guard let update else { return }
            do throws(FleetServiceError) {
                let reply = try await service.update(id, update)
                undelivered[id] = nil
                backoff.reset()
                sent = clock.monotonic()
                if reply.cancel { try? cancel(id) }
                stalls = reply.received <= offset && size > 0 ? stalls + 1 : 0
                // A service that takes no more of the output has decided so; the outcome must not wait for ever.
                if update.state.isFinal, reply.received >= offset + size || stalls > 3 { return delivered(id) }
                offset = stalls > 3 ? offset + size : min(reply.received, isFirst ? total : offset + size)
                isFirst = false
            } catch {
                undelivered[id] = error.message
                logger.debug("a run's update is not delivered", metadata: ["run": "\(id)", "reason": "\(error)"])
                guard (try? await clock.sleep(backoff.next() ?? .seconds(30))) != nil else { return }
                failures += 1
                // Others wait for their turn, and this one gets another.
                if failures >= 4, runs[id]?.isUndelivered == true, isCrowded { return }
            }
        }
    }

    /// Tells the service what became of runs of which nothing is kept, one after the other.
    func answer() async {
        var backoff = Backoff(limits.retry, seed: clock.random())
        while !Task.isCancelled, let (id, outcome) = answers.first {
            do throws(FleetServiceError) {
                _ = try await service.update(id, outcome.update(offset: 0, output: []))
                answers.removeAll { $0.run == id && $0.outcome == outcome }
                unanswered = nil
                backoff.reset()
            } catch {
                unanswered = error.message
                logger.debug("an answer is not delivered", metadata: ["run": "\(id)", "reason": "\(error)"])
                // Behind the others, where it is still to be given: the service may refuse this one only.
                if let place = answers.firstIndex(where: { $0.run == id && $0.outcome == outcome }) {
                    let last = answers.remove(at: place)
                    answers.append(last)
                }
                guard (try? await clock.sleep(backoff.next() ?? .seconds(30))) != nil else { return }
            }
        }
        wake()
    }

    private func delivered(_ id: RunID) {
        guard var run = runs[id], run.phase == .ended else { return }
        run.delivered = clock.now()
        runs[id] = run
        tried[id] = nil
        do throws(SystemError) {
            try shelf.store(run)
        } catch {
            // It is delivered again after the next start, which changes nothing.
            logger.error("\(error)", metadata: ["run": "\(id)"])
        }
        observer(.delivered)
        wake()
    }
}
