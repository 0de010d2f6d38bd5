import MusterAPI
import MusterModel
import Synchronization

/// Takes a run over SSH to its nodes, as its statement says: so many at once, in batches, and no further than the failures
/// that it allows.
final class RunSpread: Sendable {
    /// Why no further nodes are begun.
    struct Stop: Sendable, Equatable {
        /// Why, in words.
        let reason: String
        /// Whether processes that run are ended, too.
        let endsProcesses: Bool
    }

    private struct State {
        var stop: Stop?
        var failures = 0
        var work: Task<Void, Never>?
    }

    private let node: NodeRunOverSSH
    private let fanOut: RunBody.FanOut
    private let state = Mutex(State())

    init(_ node: NodeRunOverSSH, _ fanOut: RunBody.FanOut) {
        self.node = node
        self.fanOut = fanOut
    }

    /// Begins no further nodes, and ends processes where the stop says so.
    func stop(_ stop: Stop) {
        let work = state.withLock { state -> Task<Void, Never>? in
            if state.stop == nil || stop.endsProcesses { state.stop = stop }
            return stop.endsProcesses ? state.work : nil
        }
        work?.cancel()
    }

    /// Carries the run out on all nodes; returns when each has its outcome.
    func carryOut(on records: [NodeRecord]) async {
        let work = Task { await spread(records) }
        let isStopped = state.withLock { state in
            state.work = work
            return state.stop?.endsProcesses == true
        }
        if isStopped { work.cancel() }
        await withTaskCancellationHandler {
            await work.value
        } onCancel: {
            stop(Stop(reason: "cancelled by its requester", endsProcesses: true))
        }
    }

    private func spread(_ records: [NodeRecord]) async {
        let size = fanOut.batch > 0 ? fanOut.batch : max(1, records.count)
        var rest = records[...]
        while !rest.isEmpty {
            await batch(rest.prefix(size))
            rest = rest.dropFirst(size)
        }
    }

    private func batch(_ records: ArraySlice<NodeRecord>) async {
        let width = fanOut.concurrency > 0 ? fanOut.concurrency : max(1, records.count)
        await withTaskGroup(of: Void.self) { group in
            var running = 0
            for record in records {
                if running >= width {
                    await group.next()
                    running -= 1
                }
                group.addTask { await self.begin(record) }
                running += 1
            }
        }
    }

    private func begin(_ record: NodeRecord) async {
        if let stop = state.withLock({ $0.stop }) {
            await node.decline(record, stop.endsProcesses ? .cancelled : .notStarted, stop.reason)
            return
        }
        guard await !node.carryOut(on: record) else { return }
        state.withLock { state in
            state.failures += 1
            guard let most = fanOut.maximumFailures, state.failures > most, state.stop == nil else { return }
            state.stop = Stop(reason: "more than \(most) nodes failed", endsProcesses: false)
        }
    }
}
