// Approved commands on this node.
//
// Parties: operators (whose signatures allow a run), the fleet service (brings runs, and is told what came of them; believed
// nothing), the supervisor of each run (a process of its own, see `RunSupervisor`).
// Files: a folder for each run, see `RunFolder`; `executed.json`, where its id stands before anything starts. The order on the
// disk is: verified, id used up, record says starting, supervisor, process. Killed anywhere in between, the agent finds on its
// next start whether a supervisor ever began, and says what came of it; it never starts a run a second time.
// Nothing is on the disk of what no operator signed for this node: a thief of the service could fill it. Those that are kept
// have a limit too, and so has everything that waits for the service.
// Upgrades know nothing of this: they have their own queue, and neither waits for the other.

import Logging
import MusterModel
import MusterSystem

/// Takes runs in, begins them when they are due, and sees to it that the service learns what came of them.
public actor NodeRuns {
    /// What has to be done for a run, side by side with everything else.
    private enum Duty: Hashable {
        /// Wait for its end.
        case watch(RunID)
        /// Tell the service of it.
        case deliver(RunID)
        /// Tell the service of those of which nothing is kept.
        case answer
    }

    let state: NodeState
    let authority: any FleetAuthority
    let service: any RunService
    let preparation: RunPreparation
    let launcher: SupervisorLauncher
    let shelf: RunShelf
    let clock: AgentClock
    let limits: RunLimits
    let logger: Logger
    let observer: RunObserver
    private let wakes: AsyncStream<Void>
    private nonisolated let bell: AsyncStream<Void>.Continuation

    /// All that are known, as on the disk.
    var runs: [RunID: NodeRun] = [:]
    /// Runs whose record cannot be read: they never begin again.
    var damaged: Set<RunID> = []
    /// Supervisors that we started ourselves.
    var supervisors: [RunID: DetachedProgram] = [:]
    /// Why the service has not taken an update, for those where the last attempt failed.
    var undelivered: [RunID: String] = [:]
    /// When the service was last told of a run that has ended, by our own clock: whoever was not yet comes first.
    var tried: [RunID: Int64] = [:]
    /// What the service is still to be told of runs of which nothing is kept, oldest first.
    var answers: [(run: RunID, outcome: RunOutcome)] = []
    /// Why the service has not taken the last answer; nil where it has.
    var unanswered: String?
    /// Why nothing can be judged now; empty where it can.
    var obstacle = ""
    var judgeAgain: Int64 = .min
    var judgeBackoff: Backoff
    private var duties: Set<Duty> = []

    /// The runs of an enrolled node, as they are on the disk.
    public init(
        state: NodeState,
        enrollment: Enrollment,
        authority: any FleetAuthority,
        service: any RunService,
        secrets: @escaping SecretOpener,
        launcher: SupervisorLauncher = .usual,
        clock: AgentClock,
        limits: RunLimits = RunLimits(),
        logger: Logger,
        observer: @escaping RunObserver = { _ in }
    ) throws(SystemError) {
        self.state = state
        self.authority = authority
        self.service = service
        self.launcher = launcher
        self.clock = clock
        self.limits = limits
        self.logger = logger
        self.observer = observer
        preparation = RunPreparation(fleet: enrollment.fleet, node: enrollment.node, open: secrets)
        shelf = RunShelf(state.paths)
        judgeBackoff = Backoff(limits.retry, seed: clock.random())
        (wakes, bell) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        var unreadable: Set<RunID> = []
        for run in try shelf.load(damaged: { id, error in
            logger.error("a run is not known any more: \(error)", metadata: ["run": "\(id)"])
            unreadable.insert(id)
        }) {
            runs[run.id] = run
        }
        damaged = unreadable
    }

    /// Works until its task is cancelled; processes that run go on, and are taken up again by the next start.
    public func run() async {
        await recover()
        await withDiscardingTaskGroup { group in
            group.addTask { await self.keepTime() }
            bell.yield()
            for await _ in wakes {
                await begin()
                for duty in newDuties() { group.addTask { await self.perform(duty) } }
                tidy()
            }
            group.cancelAll()
        }
    }

    /// Does what there is to do now: begins what is due, waits for its end, and tells the service; an answer says why
    /// something is left.
    public func once() async -> String? {
        unanswered = nil
        await recover()
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                await begin()
                for duty in newDuties() { group.addTask { await self.perform(duty) } }
                if isIdle { break }
                try? await clock.sleep(.milliseconds(limits.tick))
            }
            group.cancelAll()
        }
        tidy()
        return undelivered.values.first ?? (answers.isEmpty ? nil : unanswered) ?? (obstacle.isEmpty ? nil : obstacle)
    }

    /// All that are known, in the order in which they came in.
    public var all: [NodeRun] { runs.values.sorted { $0.isBefore($1) } }

    /// Has a look taken soon.
    nonisolated func wake() {
        bell.yield()
    }

    /// Runs that wait for their time or their turn.
    var queue: [NodeRun] { runs.values.filter { $0.phase == .accepted }.sorted { $0.isBefore($1) } }

    /// How many processes go on, or may.
    var activeCount: Int { runs.values.count { $0.phase == .starting } }

    /// Whether nothing more can be done now.
    private var isIdle: Bool {
        guard activeCount == 0 else { return false }
        let now = clock.now()
        let isDue = queue.contains { ($0.notBefore.map { $0 <= now } ?? true) || $0.expires <= now }
        guard !isDue || !obstacle.isEmpty else { return false }
        guard answers.isEmpty || unanswered != nil else { return false }
        let waiting = runs.values.filter { $0.isUndelivered }
        let failed = waiting.count { undelivered[$0.id] != nil }
        // Where all of those at once fail, so will the others.
        return failed == waiting.count || failed >= limits.deliveries
    }

    /// Whether more runs have ended than the service is told of at once.
    var isCrowded: Bool { runs.values.count { $0.isUndelivered } > limits.deliveries }

    /// Once a second is soon enough for whatever depends on the time of day.
    private func keepTime() async {
        while (try? await clock.sleep(.seconds(1))) != nil { bell.yield() }
        bell.finish()
    }

    private func newDuties() -> [Duty] {
        var new: [Duty] = []
        for run in runs.values where run.phase == .starting { new += [.watch(run.id), .deliver(run.id)] }
        if !answers.isEmpty { new.append(.answer) }
        new.removeAll { duties.contains($0) }
        duties.formUnion(new)
        for id in nextToDeliver() {
            tried[id] = clock.monotonic()
            duties.insert(.deliver(id))
            new.append(.deliver(id))
        }
        return new
    }

    /// Runs that have ended and of which the service is told next, as many as there is room for.
    private func nextToDeliver() -> ArraySlice<RunID> {
        let waiting = runs.values.filter { $0.isUndelivered && !duties.contains(.deliver($0.id)) }
        let busy = duties.count { if case .deliver = $0 { true } else { false } }
        guard !waiting.isEmpty, busy < limits.deliveries else { return [] }
        let ordered = waiting.sorted { first, second in
            let (left, right) = (tried[first.id] ?? .min, tried[second.id] ?? .min)
            return left == right ? first.isBefore(second) : left < right
        }
        return ordered.map(\.id).prefix(limits.deliveries - busy)
    }

    private func perform(_ duty: Duty) async {
        switch duty {
        case .watch(let run): await watch(run)
        case .deliver(let run): await deliver(run)
        case .answer: await answer()
        }
        duties.remove(duty)
    }

    /// A run that the agent was killed over counts as begun as soon as anything says so.
    private func recover() async {
        let executed = await state.executed
        for run in queue where executed.contains(run.id) || shelf.folder(run.id).wasBegun {
            runs[run.id]?.phase = .starting
        }
    }
}

extension NodeRun {
    /// Whether the service has still to learn how it ended.
    var isUndelivered: Bool { phase == .ended && delivered == nil }
}
