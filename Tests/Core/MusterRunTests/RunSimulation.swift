import ByteCoding
import CanonicalJSON
import MusterModel
import MusterTestSupport
import Testing

@testable import MusterRun

/// One run over a fleet whose machines, network and service fail at random; all randomness comes from the seed.
///
/// Nodes behave as agents do: they begin what a valid manifest carries, once; they end it by its timeout; they repeat what
/// they have to say until it was heard. What really happened is kept beside what the engine believes.
struct RunSimulation {
    /// A node as it really is.
    struct Machine {
        let id: NodeID
        var isOnline = true
        /// Dead for good: whatever it held or ran is gone with it, unsaid.
        var isDead = false
        /// Until when it may act on the manifest that it holds; nil where that has no run.
        var heldUntil: UTCTime?
        var beginsAt: UTCTime?
        var isRunning = false
        var endsAt: UTCTime?
        var hasBegun = false
        var truth: RunReport?
        /// What it still has to say.
        var unsaid: [RunReport] = []
        var isRefusing = false
    }

    var random: SeededGenerator
    var run: Run
    var machines: [Machine]
    var time = UTCTime(seconds: 1_000_000)
    var mail: [(at: UTCTime, node: NodeID, report: RunReport)] = []
    var violations: [String] = []
    var assignedAfterStop = 0
    var mostRunning = 0
    /// How often the service was started again; each time everybody has time anew to be heard.
    var restarts = 0
    static let mostRestarts = 6
    /// The revision that was last read back.
    var checked: Int64 = 0
    let restartPercent: Int
    let isCalm: Bool

    init(seed: UInt64, restartPercent: Int) throws {
        random = SeededGenerator(seed: seed)
        self.restartPercent = restartPercent
        isCalm = random.chance(20)
        let count = random.chance(2) ? 80 : random.number(1...16)
        let ids = (0..<count).compactMap { NodeID("n\($0)") }
        let limits = RunLimits(
            concurrency: random.chance(30) ? 0 : random.number(1...6),
            batch: random.chance(60) ? 0 : random.number(1...8),
            maxFailures: random.chance(50) ? nil : random.number(0...3),
            timeoutSeconds: Int64(random.pick([1, 20, 300])),
            isByAgent: true
        )
        let id = try #require(StatementID(String(repeating: "a", count: 32)))
        run = Run(
            id: id,
            nodes: ids,
            limits: limits,
            notBefore: random.chance(20) ? time.adding(seconds: 500) : nil,
            expires: time.adding(seconds: Int64(random.pick([600, 3600, 3600, 10_000])))
        )
        machines = ids.map { Machine(id: $0) }
        guard !isCalm else { return }
        for index in machines.indices {
            machines[index].isOnline = random.chance(85)
            machines[index].isRefusing = random.chance(5)
        }
    }

    /// Runs until the engine says that it is over and everybody has said everything, or too long.
    mutating func simulate() {
        if random.chance(90) { apply([.approved]) }
        let limit = run.expires.adding(
            seconds: Int64(2 + Self.mostRestarts) * (Run.manifestSeconds + run.limits.timeoutSeconds + Run.graceSeconds)
                + 2000
        )
        while run.phase != .ended || !mail.isEmpty {
            time = time.adding(
                milliseconds: Int64(random.pick(isQuiet ? [20_000, 55_000] : [200, 1000, 5000, 15_000]))
            )
            guard time < limit else {
                return violations.append("it has not ended: \(run.phase), \(run.counts.summary)")
            }
            operate()
            for index in machines.indices { live(index) }
            deliver()
            if let due = run.nextDeadline, due <= time { apply([.tick]) }
            if restarts < Self.mostRestarts, random.chance(restartPercent) { restart() }
            check()
        }
        judge()
    }

    /// Whether nothing happens for now but time.
    private var isQuiet: Bool { mail.isEmpty && !machines.contains { $0.isRunning || !$0.unsaid.isEmpty } }

    // MARK: - The world

    private mutating func operate() {
        let patience = run.phase == .waiting || run.phase == .scheduled ? 60 : 3000
        guard !isCalm, let by = OperatorName("ada"), random.number(0...patience) == 0 else { return }
        switch random.number(0...2) {
        case 0: apply([.cancel(reason: "enough", by: by)])
        case 1: apply([.deny(reason: "no", by: by)])
        default: apply([.removed(random.pick(machines).id, reason: "removed")])
        }
    }

    private mutating func live(_ index: Int) {
        guard !machines[index].isDead else { return }
        if !isCalm {
            if random.number(0...400) == 0 { machines[index].isOnline.toggle() }
            if random.number(0...20_000) == 0 { machines[index].isDead = true }
        }
        if machines[index].isOnline, random.chance(25) { poll(index) }
        if let begins = machines[index].beginsAt, begins <= time { begin(index) }
        if let ends = machines[index].endsAt, ends <= time { finish(index) }
        if machines[index].isOnline { say(index) }
    }

    private mutating func poll(_ index: Int) {
        let id = machines[index].id
        apply([.contact(id, at: time)])
        guard let work = run.work(of: id) else {
            apply([.told(id)])
            return hear(index, nil)
        }
        apply([work == .run ? .handed(id) : .told(id)])
        // The answer may be lost on its way.
        if isCalm || random.chance(90) { hear(index, work) }
    }

    private mutating func hear(_ index: Int, _ work: Run.Work?) {
        switch work {
        case .run where !machines[index].hasBegun:
            machines[index].heldUntil = min(time.adding(seconds: UpdateManifest.lifetime), run.expires)
            if machines[index].beginsAt == nil {
                machines[index].beginsAt = time.adding(seconds: Int64(random.pick([0, 0, 2, 60, 1500])))
            }
        case .run: break
        case .cancel:
            if machines[index].isRunning {
                machines[index].isRunning = false
                machines[index].endsAt = nil
                tell(index, .cancelled(reason: "ended"))
            }
            machines[index].beginsAt = nil
        case nil: machines[index].beginsAt = nil
        }
    }

    private mutating func begin(_ index: Int) {
        machines[index].beginsAt = nil
        guard !machines[index].hasBegun, let until = machines[index].heldUntil, time < until else { return }
        machines[index].hasBegun = true
        guard !machines[index].isRefusing else { return tell(index, .refused(reason: "not here")) }
        machines[index].isRunning = true
        machines[index].unsaid.append(.started)
        let length = random.number(0...Int(run.limits.timeoutSeconds))
        machines[index].endsAt = time.adding(seconds: Int64(length))
    }

    private mutating func finish(_ index: Int) {
        machines[index].endsAt = nil
        machines[index].isRunning = false
        tell(index, isCalm || random.chance(85) ? .succeeded : .failed(reason: "exit status 1"))
    }

    private mutating func tell(_ index: Int, _ report: RunReport) {
        machines[index].truth = report
        machines[index].unsaid.append(report)
    }

    /// Says what it has to say; twice, late and in another order where the network is bad.
    private mutating func say(_ index: Int) {
        var left: [RunReport] = []
        for report in machines[index].unsaid {
            guard isCalm || random.chance(70) else {
                left.append(report)
                continue
            }
            for _ in 0...(random.chance(10) ? 1 : 0) {
                let delay = Int64(isCalm ? 0 : random.pick([0, 0, 1, 30, 400]))
                mail.append((time.adding(seconds: delay), machines[index].id, report))
            }
        }
        machines[index].unsaid = left
    }

    private mutating func deliver() {
        let due = mail.filter { $0.at <= time }.shuffled(using: &random)
        mail.removeAll { $0.at <= time }
        if random.chance(50) {
            apply(due.map { .reported($0.node, $0.report) })
        } else {
            for letter in due { apply([.reported(letter.node, letter.report)]) }
        }
    }

    /// The service ends and comes back with what it had stored.
    private mutating func restart() {
        restarts += 1
        do {
            run = try Self.stored(run)
            run.resume(at: time)
        } catch {
            violations.append("cannot be read back: \(error)")
        }
    }

    /// The run as it is read back from what is stored of it.
    static func stored(_ run: Run) throws -> Run {
        try Run(
            try JSONFields(try JSONValue.parse(run.json.jsonBytes, limit: 1 << 20)),
            nodes: run.nodes.map { node in
                RunNode(
                    id: node.id,
                    state: node.state,
                    since: node.since,
                    reason: node.reason,
                    assigned: node.assigned,
                    started: node.started,
                    isStated: node.isStated
                )
            }
        )
    }

    // MARK: - The referee

    private mutating func apply(_ events: [RunEvent]) {
        let before = (stop: run.stop, phase: run.phase, revision: run.revision, nodes: run.nodes)
        let step = run.apply(events, at: time)
        for effect in step.effects {
            if case .assigned(let node) = effect, before.stop != nil || before.phase == .ended {
                violations.append("\(node) was assigned after the stop")
            }
        }
        if step.isChanged != (run.revision != before.revision) { violations.append("a change without a revision") }
        guard step.isChanged else { return }
        let changed = Set(step.nodes.map(\.node.id))
        for (old, new) in zip(before.nodes, run.nodes) where old.state != new.state && !changed.contains(new.id) {
            violations.append("\(new.id) changed without being stored")
        }
        for (old, new) in zip(before.nodes, run.nodes) where old.state.isOver && old.isStated && old != new {
            if old.state != new.state { violations.append("\(new.id) changed what it had said") }
        }
    }

    private mutating func check() {
        let running = machines.count { $0.isRunning && !$0.isDead }
        mostRunning = max(mostRunning, running)
        if let places = run.limits.places, running > places {
            violations.append("\(running) nodes ran at once, \(places) may")
        }
        if let places = run.limits.places, run.counts.inFlight > places, run.stop == nil {
            violations.append("\(run.counts.inFlight) in flight, \(places) may be")
        }
        if run.nextDeadline == nil, run.phase != .ended { violations.append("it waits for nothing") }
        guard run.revision != checked else { return }
        checked = run.revision
        do {
            let read = try Self.stored(run)
            if read.json != run.json || read.counts != run.counts { violations.append("reads back as something else") }
        } catch {
            violations.append("cannot be read back: \(error)")
        }
    }

    private mutating func judge() {
        for (machine, node) in zip(machines, run.nodes) {
            guard node.state.isOver else {
                violations.append("\(node.id) ended as \(node.state)")
                continue
            }
            if node.state == .succeeded, machine.truth != .succeeded { violations.append("\(node.id) did not succeed") }
            if machine.hasBegun, machine.unsaid.isEmpty, let truth = machine.truth, Self.state(truth) != node.state {
                violations.append("\(node.id) said \(truth), the run says \(node.state)")
            }
            if !node.isStated, node.state != .lost, node.reason.isEmpty {
                violations.append("\(node.id) has no reason")
            }
        }
        if isCalm, run.stop == nil, run.outcome != .succeeded {
            violations.append("all is well, and it \(run.outcome?.rawValue ?? "did not end")")
        }
    }

    private static func state(_ report: RunReport) -> RunNode.State {
        switch report {
        case .started: .started
        case .succeeded: .succeeded
        case .failed: .failed
        case .refused: .refused
        case .lost: .lost
        case .cancelled: .cancelled
        case .notStarted: .notStarted
        case .expired: .expired
        }
    }
}

extension SeededGenerator {
    /// A number within the range.
    mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }

    /// True so many times in a hundred.
    mutating func chance(_ percent: Int) -> Bool { number(1...100) <= percent }

    /// One of the elements.
    mutating func pick<Element>(_ elements: [Element]) -> Element { elements[number(0...(elements.count - 1))] }
}
