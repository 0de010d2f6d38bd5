import ByteCoding
import CanonicalJSON
import MusterModel
import MusterRollout
import MusterTestSupport

/// One random fleet, network, release and set of operators, all from one seed, around one rollout.
///
/// The rollout's service may restart at any moment; whether it does comes from a seed of its own, so that a history with
/// restarts can be compared with the same history without.
struct Simulation {
    /// What can happen at a moment.
    enum Happening {
        case tick
        case poll(Int)
        case wake(Int)
        case step(Int, NodeProgress.State)
        case arrive(NodeID, NodeProgress)
        case offline(Int)
        case online(Int)
        case join
        case leave(Int)
        case block(Int)
        case unblock(Int)
        case approve
        case halt
        case resume
        case cancel
    }

    private(set) var rollout: Rollout
    private(set) var history: [RolloutEffect] = []
    private(set) var nodes: [SimulatedNode] = []
    private(set) var now = UTCTime(seconds: 1_800_000_000)
    private(set) var eventCount = 0
    private(set) var violation: String?

    private var random: SeededGenerator
    private var restarts: SeededGenerator
    private let restartPercent: Int
    private let badReleasePercent: Int
    private var agenda = Agenda<Happening>()
    private var referee: Referee
    private var indices: [NodeID: Int] = [:]

    init(seed: UInt64, restartPercent: Int) throws {
        random = SeededGenerator(seed: seed)
        restarts = SeededGenerator(seed: ~seed)
        self.restartPercent = restartPercent
        badReleasePercent = random.pick([0, 0, 5, 30, 100])
        let strategy = Self.strategy(&random)
        var digits = random
        let id = Hex.encode((0..<16).map { _ in UInt8.random(in: 0...255, using: &digits) })
        guard let rolloutID = RolloutID(id) else { throw SimulationError() }
        let life = Int64(random.pick([600, 7200, 40_000]))
        let isApproved = random.chance(80)
        rollout = Rollout(
            id: rolloutID,
            version: "2.0",
            strategy: strategy,
            expires: now.adding(seconds: life),
            isApproved: isApproved
        )
        referee = Referee(strategy: strategy, isApproved: isApproved)
        try populate(isApproved: isApproved, life: life)
    }

    private static func strategy(_ random: inout SeededGenerator) -> RolloutStrategy {
        var stages: [RolloutStrategy.Stage] = []
        for _ in 0..<random.number(1...4) {
            stages.append(random.chance(50) ? .count(random.number(1...5)) : .percent(random.number(1...100)))
        }
        return RolloutStrategy(
            stages: stages,
            bakeSeconds: random.pick([0, 30, 300]),
            maxInFlight: random.pick([1, 2, 5, 100]),
            maxFailures: random.pick([0, 0, 1, 3, 100]),
            startDeadlineSeconds: random.pick([60, 300, 3600]),
            finishDeadlineSeconds: random.pick([60, 300, 900])
        )
    }

    private mutating func populate(isApproved: Bool, life: Int64) throws {
        for _ in 0..<random.pick([0, 1, 2, 5, 10, 30]) { try addNode() }
        var horizon = life
        if !isApproved, random.chance(80) { agenda.add(.approve, at: later(0...900)) }
        for _ in 0..<random.number(0...3) { agenda.add(.join, at: later(0...3600)) }
        if random.chance(30) { agenda.add(.halt, at: later(0...1200)) }
        for _ in 0..<random.number(0...3) { agenda.add(.resume, at: later(0...3600)) }
        if random.chance(5) { agenda.add(.cancel, at: later(0...3600)) }
        while horizon > 0 {
            agenda.add(.tick, at: now.adding(seconds: horizon))
            horizon -= life / 4
        }
        apply(.nodesSelected(nodes.map(fact)))
    }

    private mutating func later(_ seconds: ClosedRange<Int>) -> UTCTime {
        now.adding(milliseconds: Int64(random.number((seconds.lowerBound * 1000)...(seconds.upperBound * 1000))))
    }

    private mutating func addNode() throws {
        guard let id = NodeID("node-\(nodes.count)") else { throw SimulationError() }
        let isBad = random.chance(badReleasePercent)
        let fate: SimulatedNode.Fate =
            isBad ? random.pick([.fails, .refuses, .rollsBack, .dies]) : (random.chance(2) ? .dies : .confirms)
        var node = SimulatedNode(id: id, fate: fate)
        let index = nodes.count
        if random.chance(5) { node.version = "2.0" }
        node.isOnline = random.chance(85)
        node.lastSeen = node.isOnline || random.chance(50) ? now : nil
        nodes.append(node)
        indices[id] = index
        if node.isOnline {
            agenda.add(.poll(index), at: later(0...30))
        } else {
            agenda.add(.online(index), at: later(0...20_000))
        }
        if random.chance(15) { agenda.add(.offline(index), at: later(0...2000)) }
        if random.chance(3) { agenda.add(.leave(index), at: later(0...3000)) }
        if random.chance(8) { nodes[index].obstacle = "its key expired" }
        if random.chance(10) { agenda.add(.block(index), at: later(0...3000)) }
        if random.chance(20) { agenda.add(.unblock(index), at: later(60...6000)) }
    }

    private func fact(_ node: SimulatedNode) -> NodeFact {
        NodeFact(node: node.id, version: node.version, lastSeen: node.lastSeen, obstacle: node.obstacle)
    }

    // MARK: - Time

    /// Runs until the rollout is over and every node has come to rest, or something is wrong.
    mutating func run() throws {
        var ticksAt: UTCTime?
        while violation == nil {
            if let deadline = rollout.nextDeadline(after: now), deadline < agenda.next ?? UTCTime(milliseconds: .max) {
                if deadline == ticksAt { return fail("no progress at deadline \(deadline)") }
                ticksAt = deadline
                now = deadline
                apply(.tick)
                continue
            }
            guard let (time, happening) = agenda.removeFirst() else { break }
            now = max(now, time)
            try happen(happening)
            if eventCount > 20_000 { return fail("no end after \(eventCount) events") }
        }
        if violation == nil, rollout.phase.isOpen { fail("still \(rollout.phase) when nothing more can happen") }
    }

    private mutating func happen(_ happening: Happening) throws {
        switch happening {
        case .tick: apply(.tick)
        case .poll(let index): poll(index)
        case .wake(let index): poll(index, isWoken: true)
        case .step(let index, let state): step(index, state)
        case .arrive(let node, let progress): apply(.reported(node, progress))
        case .offline(let index): goOffline(index)
        case .online(let index): comeBack(index)
        case .join:
            try addNode()
            apply(.nodesSelected([fact(nodes[nodes.count - 1])]))
        case .leave(let index):
            nodes[index].isOnline = false
            nodes[index].isDone = true
            nodes[index].mayBeginUntil = nil
            nodes[index].isChanging = false
            apply(.nodeRemoved(nodes[index].id, reason: "removed"))
        case .block(let index): block(index, "its key expired")
        case .unblock(let index): block(index, nil)
        case .approve: apply(.approved)
        case .halt: try apply(.halt(reason: "an operator wants to look", by: Self.ada()))
        case .resume: try apply(.resume(by: Self.ada()))
        case .cancel: try apply(.cancel(reason: "an operator changed her mind", by: Self.ada()))
        }
    }

    private static func ada() throws -> OperatorName {
        guard let ada = OperatorName("ada") else { throw SimulationError() }
        return ada
    }

    // MARK: - Nodes

    /// The long poll returns: the node was seen and holds a new manifest.
    private mutating func poll(_ index: Int, isWoken: Bool = false) {
        guard nodes[index].isOnline, rollout.phase.isOpen else { return }
        nodes[index].lastSeen = now
        if rollout.needs(seen: nodes[index].id) { apply(.seen(nodes[index].id)) }
        if !isWoken { agenda.add(.poll(index), at: later(300...900)) }
        guard random.chance(95) else { return }
        let isAssigned = rollout.isAssigned(nodes[index].id)
        if !nodes[index].isDone, !nodes[index].isChanging {
            nodes[index].mayBeginUntil = isAssigned ? now.adding(seconds: UpdateManifest.lifetime) : nil
        }
        guard isAssigned, !nodes[index].isAtWork, !nodes[index].isDone else { return }
        nodes[index].isAtWork = true
        agenda.add(.step(index, nodes[index].fate == .refuses ? .refused : .downloading), at: later(0...5))
    }

    private mutating func step(_ index: Int, _ state: NodeProgress.State) {
        guard !nodes[index].isDone else { return }
        if state == .installing {
            guard let until = nodes[index].mayBeginUntil, now < until else {
                nodes[index].isAtWork = false
                return
            }
            nodes[index].isChanging = true
        }
        if nodes[index].fate == .dies, random.chance(40) {
            nodes[index].isDone = true
            nodes[index].isOnline = false
            nodes[index].isChanging = false
            nodes[index].mayBeginUntil = nil
            return
        }
        if state == .confirmed { nodes[index].version = "2.0" }
        if state.isFinal {
            nodes[index].isDone = true
            nodes[index].isChanging = false
            nodes[index].mayBeginUntil = nil
        }
        send(index, state)
        guard let next = following(state, nodes[index].fate) else { return }
        agenda.add(.step(index, next), at: later(0...(next == .verified ? 200 : 60)))
    }

    private mutating func following(_ state: NodeProgress.State, _ fate: SimulatedNode.Fate) -> NodeProgress.State? {
        switch state {
        case .downloading: fate == .fails && random.chance(50) ? .failed : .verified
        case .verified: .installing
        case .installing: fate == .fails ? .failed : .confirming
        case .confirming: fate == .rollsBack ? .rolledBack : .confirmed
        case .confirmed, .failed, .refused, .rolledBack: nil
        }
    }

    /// Reports are repeated until they are acknowledged, so a final one arrives at last if the node lives; all of them may
    /// come twice and out of order, and those of the steps between may be lost.
    private mutating func send(_ index: Int, _ state: NodeProgress.State) {
        let node = nodes[index]
        let progress = NodeProgress(
            rollout: rollout.id,
            state: state,
            version: node.version,
            reason: state.isFinal ? "simulated" : "",
            at: now
        )
        guard state.isFinal || random.chance(85) else { return }
        let delay = node.isOnline ? 0...random.pick([1, 20, 400]) : 0...8000
        agenda.add(.arrive(node.id, progress), at: later(delay))
        while random.chance(20) { agenda.add(.arrive(node.id, progress), at: later(0...2000)) }
    }

    /// The node's key expired, or an operator extended it; the service tells the rollout of those that are in the fleet.
    private mutating func block(_ index: Int, _ obstacle: String?) {
        guard rollout.node(nodes[index].id)?.state != .removed else { return }
        nodes[index].obstacle = obstacle
        apply(.nodesSelected([fact(nodes[index])]))
    }

    private mutating func goOffline(_ index: Int) {
        nodes[index].isOnline = false
        if random.chance(70) { agenda.add(.online(index), at: later(10...5000)) }
    }

    private mutating func comeBack(_ index: Int) {
        guard !nodes[index].isDone, !nodes[index].isOnline else { return }
        nodes[index].isOnline = true
        agenda.add(.poll(index), at: later(0...10))
    }

    // MARK: - The rollout

    private mutating func apply(_ event: RolloutEvent) {
        eventCount += 1
        let before = rollout
        let effects = rollout.apply(event, at: now)
        history += effects
        wake(effects)
        if let wrong = referee.check(event, effects, before: before, after: rollout, at: now) {
            return fail("\(event): \(wrong)")
        }
        if let wrong = checkReality() { return fail("\(event): \(wrong)") }
        if case .resume = event {} else { checkAgain(event) }
        if restarts.chance(restartPercent) { restart() }
    }

    /// The long polls of nodes whose manifest changed return.
    private mutating func wake(_ effects: [RolloutEffect]) {
        for effect in effects {
            guard case .assign(let node) = effect, let index = indices[node] else { continue }
            if let obstacle = nodes[index].obstacle { fail("assigned \(node), although \(obstacle)") }
            agenda.add(.wake(index), at: later(0...20))
        }
    }

    /// The same event once more changes nothing.
    private mutating func checkAgain(_ event: RolloutEvent) {
        var copy = rollout
        let effects = copy.apply(event, at: now)
        if !effects.isEmpty || copy.revision != rollout.revision { fail("\(event) again had effects \(effects)") }
    }

    /// Nodes that hold the right to change themselves, and were not given up, fit within the limit.
    private func checkReality() -> String? {
        guard rollout.phase.isOpen else { return nil }
        var busy = 0
        for node in nodes where node.isChanging || node.mayBeginUntil.map({ now < $0 }) == true {
            if let state = rollout.node(node.id)?.state, !state.isFailure { busy += 1 }
        }
        let limit = rollout.strategy.maxInFlight
        return busy > limit ? "\(busy) nodes may be changing themselves, \(limit) allowed" : nil
    }

    private mutating func restart() {
        do {
            let value = try JSONValue.parse(rollout.json.jsonBytes, limit: 1_000_000)
            let read = try Rollout(try JSONFields(value))
            if read.json != rollout.json { return fail("read back differently") }
            rollout = read
        } catch {
            fail("cannot be read back: \(error)")
        }
    }

    private mutating func fail(_ reason: String) {
        violation = violation ?? "at \(now), event \(eventCount): \(reason)"
    }
}

/// The simulation could not be set up.
struct SimulationError: Error {}
