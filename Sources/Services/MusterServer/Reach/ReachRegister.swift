import ByteCoding
import MusterModel
import Synchronization

/// Which nodes are asked to visit which others, in memory only: whoever still waits asks again.
final class ReachRegister: Sendable {
    fileprivate struct Visit: Sendable {
        let task: ReachTask
        let host: NodeID
    }

    fileprivate struct State: Sendable {
        /// What each visitor was asked for.
        var visits: [NodeID: [Visit]] = [:]
        /// The nonce that each host waits for.
        var waiting: [NodeID: [UInt8]] = [:]
    }

    private let state = Mutex(State())

    /// What a node is asked for at `time`.
    func tasks(of visitor: NodeID, at time: UTCTime) -> [ReachTask] {
        state.withLock { state in (state.visits[visitor] ?? []).map(\.task).filter { $0.until > time } }
    }

    /// Asks up to `count` nodes of `candidates` that were not asked yet to visit `host`; returns them.
    ///
    /// Another nonce is another wait: what was asked for before is forgotten, and the nodes that had it are returned in
    /// `withdrawn`.
    func ask(
        _ candidates: [NodeID],
        count: Int,
        toVisit host: NodeID,
        _ task: ReachTask,
        at time: UTCTime
    ) -> (asked: [NodeID], before: Int, withdrawn: [NodeID]) {
        state.withLock { state in
            var withdrawn: [NodeID] = []
            state.forget { $0.task.until <= time }
            if state.waiting[host] != task.nonce {
                withdrawn = state.forget { $0.host == host }
                state.waiting[host] = task.nonce
            }
            let before = state.visits.values.count { $0.contains { $0.host == host } }
            var asked: [NodeID] = []
            for visitor in candidates where asked.count < count {
                let visits = state.visits[visitor] ?? []
                guard visits.count < ReachTask.limit, !visits.contains(where: { $0.host == host }) else { continue }
                state.visits[visitor, default: []].append(Visit(task: task, host: host))
                asked.append(visitor)
            }
            return (asked, before, withdrawn)
        }
    }
}

extension ReachRegister.State {
    /// Forgets some visits; returns who was asked for them.
    @discardableResult
    fileprivate mutating func forget(_ isOver: (ReachRegister.Visit) -> Bool) -> [NodeID] {
        var visitors: [NodeID] = []
        for (visitor, asked) in visits {
            let left = asked.filter { !isOver($0) }
            guard left.count != asked.count else { continue }
            visits[visitor] = left.isEmpty ? nil : left
            visitors.append(visitor)
        }
        return visitors
    }
}
