import Synchronization

/// Writes many small changes in groups: while one group is on its way to the disk the next one gathers.
///
/// No timer: a lone change is written at once, a thousand at once share one commit.
public final class GroupedWriter: Sendable {
    /// One change; run again alone if another one of its group failed.
    public typealias Change = @Sendable (StoreTransaction) throws -> Void

    private struct Waiting: Sendable {
        let change: Change
        let done: CheckedContinuation<Void, any Error>
    }

    /// What came of a change, which may be made twice.
    private final class Outcome<Value: Sendable>: Sendable {
        let value = Mutex<Value?>(nil)
    }

    private struct State: Sendable {
        var waiting: [Waiting] = []
        var isWriting = false
        var commits = 0
    }

    private static let groupLimit = 1024
    private let driver: any SQLDriver
    private let state = Mutex(State())
    private let listener = Mutex<(@Sendable () -> Void)?>(nil)

    init(_ driver: any SQLDriver) {
        self.driver = driver
    }

    /// How many groups were written so far.
    public var commits: Int { state.withLock { $0.commits } }

    /// Makes a change; returns once it is on disk.
    public func write(_ change: @escaping Change) async throws {
        try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
            let starts = state.withLock { state in
                state.waiting.append(Waiting(change: change, done: done))
                defer { state.isWriting = true }
                return !state.isWriting
            }
            if starts { Task { await drain() } }
        }
    }

    /// Makes a change and returns what came of it, once it is on disk.
    public func write<Value: Sendable>(
        returning change: @escaping @Sendable (StoreTransaction) throws -> Value
    ) async throws -> Value {
        let result = Outcome<Value>()
        try await write { transaction in
            let made = try change(transaction)
            result.value.withLock { $0 = made }
        }
        guard let made = result.value.withLock({ $0 }) else {
            throw StoreError(.unavailable, "a change of the register was not made")
        }
        return made
    }

    /// Calls `listener` after each group that appended events.
    public func onEvents(_ listener: @escaping @Sendable () -> Void) {
        self.listener.withLock { $0 = listener }
    }

    private func drain() async {
        while let group = next() {
            do {
                let newEvents = try await driver.write { sql in
                    let transaction = StoreTransaction(sql: sql)
                    for waiting in group { try waiting.change(transaction) }
                    return transaction.written.count
                }
                for waiting in group { waiting.done.resume() }
                if newEvents > 0 { listener.withLock { $0 }?() }
            } catch {
                await writeSingly(group)
            }
        }
    }

    /// One bad change must not take the others of its group with it.
    private func writeSingly(_ group: [Waiting]) async {
        for waiting in group {
            do {
                try await driver.write { try waiting.change(StoreTransaction(sql: $0)) }
                waiting.done.resume()
                listener.withLock { $0 }?()
            } catch {
                waiting.done.resume(throwing: error)
            }
        }
    }

    private func next() -> [Waiting]? {
        state.withLock { state in
            guard !state.waiting.isEmpty else {
                state.isWriting = false
                return nil
            }
            state.commits += 1
            let group = Array(state.waiting.prefix(Self.groupLimit))
            state.waiting.removeFirst(group.count)
            return group
        }
    }
}
