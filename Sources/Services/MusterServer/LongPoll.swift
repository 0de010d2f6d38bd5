import NIOCore
import Synchronization

/// Callers that wait for news of something, by key; waiting costs a continuation and a timer entry, no task and no polling.
///
/// A caller takes `mark`, looks at the state, and then waits for anything after the mark, so no news is missed.
final class LongPoll<Key: Hashable & Sendable>: Sendable {
    private struct State: Sendable {
        var news: [Key: UInt64] = [:]
        var waiting: [Key: [(id: UInt64, resume: CheckedContinuation<Void, Never>)]] = [:]
        var lastID: UInt64 = 0
        var isOver = false
    }

    private let state = Mutex(State())
    private let limit: Int

    /// Of more than `limit` callers that wait for one key the one who waits longest is sent home.
    init(limit: Int) {
        self.limit = limit
    }

    /// How much news there was of a key so far.
    func mark(_ key: Key) -> UInt64 {
        state.withLock { $0.news[key] ?? 0 }
    }

    /// Whether the service ends.
    var isOver: Bool { state.withLock { $0.isOver } }

    /// How many callers wait.
    var count: Int { state.withLock { $0.waiting.values.reduce(0) { $0 + $1.count } } }

    /// Wakes everybody who waits for news of `key`.
    func announce(_ key: Key) {
        let woken = state.withLock { state in
            state.news[key, default: 0] += 1
            return state.waiting.removeValue(forKey: key) ?? []
        }
        for caller in woken { caller.resume.resume() }
    }

    /// Waits until there is news after `mark`, or the time is over, or the service ends.
    func wait(for key: Key, after mark: UInt64, seconds: Int64, on loop: any EventLoop) async {
        guard seconds > 0 else { return }
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        let timeout = loop.scheduleTask(in: .seconds(seconds)) { self.leave(key, id) }
        await withCheckedContinuation { (resume: CheckedContinuation<Void, Never>) in
            let superseded = state.withLock { state -> CheckedContinuation<Void, Never>? in
                guard !state.isOver, (state.news[key] ?? 0) == mark else { return resume }
                state.waiting[key, default: []].append((id, resume))
                guard state.waiting[key, default: []].count > limit else { return nil }
                return state.waiting[key]?.removeFirst().resume
            }
            superseded?.resume()
        }
        timeout.cancel()
    }

    /// Wakes everybody, for good: the service ends.
    func end() {
        let woken = state.withLock { state in
            state.isOver = true
            defer { state.waiting = [:] }
            return state.waiting.values.flatMap { $0 }
        }
        for caller in woken { caller.resume.resume() }
    }

    private func leave(_ key: Key, _ id: UInt64) {
        let left = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard let index = state.waiting[key]?.firstIndex(where: { $0.id == id }) else { return nil }
            let resume = state.waiting[key]?.remove(at: index).resume
            if state.waiting[key]?.isEmpty == true { state.waiting[key] = nil }
            return resume
        }
        left?.resume()
    }
}
