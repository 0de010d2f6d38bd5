// muster-agent: the program on every node.
//
// Parties: the node (its key never leaves it), the fleet service (believed in nothing but delivery), release managers and
// operators (whose signatures the node checks itself, from the one root that the fleet id pins).
// Files: see `AgentPaths`. One upgrade at a time, its phases in `UpgradeJournal`; the agent may be killed anywhere.
// Four tasks run side by side: one works (manifest, checks, upgrade), one carries out approved commands (`NodeRuns`), one
// reports, one looks after sshd.

import Logging
import MusterSystem

/// The agent of an enrolled node.
public struct Agent: Sendable {
    /// How patient the agent is with a service that does not answer.
    public struct Limits: Sendable {
        /// Seconds that the service may hold a question for a manifest.
        public var wait = 55
        /// Between attempts.
        public var retry = Backoff.Policy(attempts: nil, first: 1000, longest: 60000)
        /// Seconds that a report may take.
        public var reportSeconds: Int64 = 30

        /// The limits for use.
        public init() {}
    }

    private let state: NodeState
    private let authority: any FleetAuthority
    private let queue: AssignmentQueue
    private let runner: UpgradeRunner
    private let reporter: any Reporting
    private let pace: ReportPace
    private let keeper: KeyKeeper?
    private let ssh: SSHUpkeep?
    private let runs: NodeRuns?
    private let metrics: NodeMetrics?
    private let clock: AgentClock
    private let limits: Limits
    private let logger: Logger

    /// An agent of these parts.
    public init(
        state: NodeState,
        service: any FleetService,
        authority: any FleetAuthority,
        runner: UpgradeRunner,
        reporter: any Reporting,
        pace: ReportPace,
        keeper: KeyKeeper? = nil,
        ssh: SSHUpkeep? = nil,
        runs: NodeRuns? = nil,
        metrics: NodeMetrics? = nil,
        visitor: Visitor? = nil,
        pins: [String: String] = [:],
        clock: AgentClock,
        limits: Limits = Limits(),
        logger: Logger
    ) {
        self.state = state
        self.authority = authority
        self.runner = runner
        self.reporter = reporter
        self.pace = pace
        self.keeper = keeper
        self.ssh = ssh
        self.runs = runs
        self.metrics = metrics
        self.clock = clock
        self.limits = limits
        self.logger = logger
        queue = AssignmentQueue(
            state: state,
            authority: authority,
            service: service,
            runs: runs,
            visitor: visitor,
            pins: pins,
            clock: clock,
            logger: logger
        )
    }

    /// Works until its task is cancelled; an upgrade that is going on is taken up again by the next start.
    public func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await work() }
            group.addTask { await report() }
            group.addTask { await runs?.run() }
            group.addTask { await measure() }
            group.addTask { await keepWatchdogQuiet() }
            group.addTask { await ssh?.run { _ = await reporter.report(within: limits.reportSeconds) } }
            ServiceNotification.ready()
        }
        ServiceNotification.stopping()
    }

    /// Does what there is to do now, reports, and returns; an error says why it could not be done.
    public func once() async throws(FleetServiceError) {
        let reason = await turn()
        await state.setHold(reason ?? "")
        let undelivered = await runs?.once()
        await ssh?.once()
        await metrics?.measure()
        let failure = await reporter.report(within: limits.reportSeconds)
        await keeper?.turn()
        if let problem = reason ?? failure ?? undelivered { throw FleetServiceError(problem) }
    }

    /// Does what there is to do now, then waits for one manifest and takes it in; nil when that went well, else why not.
    public func turn() async -> String? {
        do {
            try await runner.run()
            while true {
                switch try await queue.beginNext() {
                case .begun: try await runner.run()
                case .refused, .held: _ = await reporter.report(within: limits.reportSeconds)
                case .unavailable(let reason): return reason
                case .empty:
                    await authority.keepFresh()
                    switch await queue.poll(wait: limits.wait) {
                    case .nothing(let early):
                        if early { await authority.lookAgain() }
                        return nil
                    case .unavailable(let reason): return reason
                    case .accepted: if await state.memory.queue.isEmpty { return nil }
                    }
                }
            }
        } catch {
            return "\(error)"
        }
    }

    private func work() async {
        var backoff = Backoff(limits.retry, seed: clock.random())
        while !Task.isCancelled {
            let reason = await turn()
            if Task.isCancelled { return }
            if await state.setHold(reason ?? "") {
                logger.notice("\(reason.map { "on hold: \($0)" } ?? "no longer on hold")")
                _ = await reporter.report(within: limits.reportSeconds)
            }
            if reason == nil {
                backoff.reset()
            } else {
                try? await clock.sleep(backoff.next() ?? .seconds(60))
            }
        }
    }

    private func report() async {
        while !Task.isCancelled {
            if let failure = await reporter.report(within: limits.reportSeconds) {
                logger.debug("report not delivered", metadata: ["reason": "\(failure)"])
            }
            await keeper?.turn()
            try? await clock.sleep(.seconds(await pace.seconds))
        }
    }

    private func measure() async {
        guard let metrics else { return }
        while !Task.isCancelled {
            await metrics.measure()
            try? await clock.sleep(.seconds(await pace.seconds))
        }
    }

    private func keepWatchdogQuiet() async {
        guard let interval = ServiceNotification.watchdogInterval() else { return }
        while !Task.isCancelled {
            ServiceNotification.watchdog()
            try? await clock.sleep(interval)
        }
    }
}
