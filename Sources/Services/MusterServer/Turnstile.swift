import Synchronization

/// Lets one caller at a time through, in order, across suspension points (an actor alone would interleave them).
final class Turnstile: Sendable {
    private struct State: Sendable {
        var isTaken = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    /// Runs `body` while nobody else runs theirs.
    func pass<Value>(
        isolation: isolated (any Actor)? = #isolation,
        _ body: () async throws -> Value
    ) async rethrows
        -> Value
    {
        await enter(isolation: isolation)
        defer { leave() }
        return try await body()
    }

    private func enter(isolation: isolated (any Actor)?) async {
        await withCheckedContinuation(isolation: isolation) { (resume: CheckedContinuation<Void, Never>) in
            let isFree = state.withLock { state in
                if state.isTaken {
                    state.waiting.append(resume)
                    return false
                }
                state.isTaken = true
                return true
            }
            if isFree { resume.resume() }
        }
    }

    private func leave() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard !state.waiting.isEmpty else {
                state.isTaken = false
                return nil
            }
            return state.waiting.removeFirst()
        }
        next?.resume()
    }
}
