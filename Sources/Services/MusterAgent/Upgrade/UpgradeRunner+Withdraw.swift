import Logging

/// A halt reaches a node that has not begun: newer manifests are taken in until the package manager starts.
extension UpgradeRunner {
    /// Does `work` while newer manifests are taken in; nil where one of them took the assignment back, which cancels the
    /// work.
    ///
    /// The work must leave the journal and the trusted metadata alone: a manifest may change both meanwhile.
    func whileCarried<Value: Sendable>(
        _ work: @escaping @Sendable () async -> Value
    ) async throws(UpgradeStop) -> Value? {
        let value = await withTaskGroup(of: Value?.self) { group in
            group.addTask { await work() }
            group.addTask {
                await watch()
                return nil
            }
            var value: Value?
            for await result in group {
                group.cancelAll()
                if let result { value = result }
            }
            return value
        }
        try ensureRunning()
        return await isWithdrawn ? nil : value
    }

    /// Does work that no manifest takes back any more, while newer ones are taken in all the same: runs begin, and are
    /// cancelled, however long a package manager takes.
    func whileListening(
        _ work: @escaping @Sendable () async throws(UpgradeStop) -> Void
    ) async throws(UpgradeStop) {
        guard queue.runs != nil else { return try await work() }
        let result = await withTaskGroup(of: Result<Void, UpgradeStop>?.self) { group in
            group.addTask {
                do throws(UpgradeStop) {
                    try await work()
                    return .success(())
                } catch {
                    return .failure(error)
                }
            }
            group.addTask {
                await watch()
                return nil
            }
            var result = Result<Void, UpgradeStop>.success(())
            for await ended in group {
                guard let ended else { continue }
                result = ended
                group.cancelAll()
            }
            return result
        }
        try result.get()
    }

    /// The last question before the installation; nil where nothing newer says no.
    func askAgain() async -> StepResult? {
        switch await queue.poll(wait: 0) {
        case .unavailable(let reason): .retry(reason)
        case .nothing, .accepted: await isWithdrawn ? .withdrawn : nil
        }
    }

    private var isWithdrawn: Bool {
        get async { await state.journal?.phase == .withdrawn }
    }

    /// Takes in manifests until one takes the assignment back, or the task is cancelled.
    private func watch() async {
        var backoff = Backoff(Backoff.Policy(), seed: clock.random())
        var wait = Duration.milliseconds(limits.manifestPause)
        while await sleep(wait), !Task.isCancelled {
            switch await queue.poll(wait: limits.manifestWait) {
            case .nothing, .accepted:
                if await isWithdrawn { return }
                backoff.reset()
                wait = .milliseconds(limits.manifestPause)
            case .unavailable(let reason):
                logger.debug("no newer manifest", metadata: ["reason": "\(reason)"])
                wait = backoff.next() ?? .seconds(60)
            }
        }
    }
}
