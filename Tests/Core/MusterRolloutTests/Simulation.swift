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
        case freeze(String, Bool)
        case others([Tag: FleetLimit])
        case urgency(Bool)
        case silent(Int)
        case stepClock(Int64)
        case approve
        case halt
        case resume
        case cancel
    }

    private(set) var rollout: Rollout
    private(set) var history: [RolloutEffect] = []
    var nodes: [SimulatedNode] = []
    private(set) var now = UTCTime(seconds: 1_800_000_000)
    private(set) var eventCount = 0
    private(set) var violation: String?

    var random: SeededGenerator
    var agenda = Agenda<Happening>()
    /// How far the service's clock is ahead.
    private var skew: Int64 = 0
    private let isClockSteady: Bool
    private var hours: [String: SimulatedHours]
    /// What the service has on disk: the header, and each node by its place.
    private var stored: (header: JSONValue, nodes: [JSONValue]) = (.null, [])
    private var restarts: SeededGenerator
    private let restartPercent: Int
    private let badReleasePercent: Int
    private var referee: Referee
    private var indices: [NodeID: Int] = [:]

    init(seed: UInt64, restartPercent: Int) throws {
        random = SeededGenerator(seed: seed)
        restarts = SeededGenerator(seed: ~seed)
        self.restartPercent = restartPercent
        badReleasePercent = random.pick([0, 0, 5, 30, 100])
        let strategy = Self.strategy(&random)
        isClockSteady = random.chance(80)
        hours = [
            "nights": SimulatedHours(open: random.number(300...4000), closed: random.number(300...4000)),
            "seldom": SimulatedHours(open: 200, closed: random.pick([2000, 20_000])),
            "never": SimulatedHours(open: 0, closed: 1000),
        ]
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
            finishDeadlineSeconds: random.pick([60, 300, 900]),
            maxFailurePercent: random.pick([nil, nil, 10, 50]),
            groups: random.chance(40) ? groups(&random) : [],
            safetyInFlight: random.pick([1, 1, 3]),
            tagInFlight: random.chance(30) ? tagLimits(&random) : [:],
            metrics: random.chance(30) ? [.init(name: "p99", percent: 20, least: random.number(1...4))] : []
        )
    }

    private static func groups(_ random: inout SeededGenerator) -> [RolloutStrategy.Group] {
        let names = ["test", "web", "db"].shuffled(using: &random).prefix(random.number(1...3))
        return names.map { RolloutStrategy.Group(name: $0, nodes: Tag($0).map { [.tag($0)] } ?? []) }
    }

    private static func tagLimits(_ random: inout SeededGenerator) -> [Tag: Int] {
        var limits: [Tag: Int] = [:]
        for name in ["web", "db"] where random.chance(60) {
            if let tag = Tag(name) { limits[tag] = random.number(1...2) }
        }
        return limits
    }

    private mutating func populate(isApproved: Bool, life: Int64) throws {
        for _ in 0..<random.pick([0, 1, 2, 5, 10, 30]) { try addNode() }
        var horizon = life
        if !isApproved, random.chance(80) { agenda.add(.approve, at: later(0...900)) }
        for _ in 0..<random.number(0...3) { agenda.add(.join, at: later(0...3600)) }
        if random.chance(30) { agenda.add(.halt, at: later(0...1200)) }
        for _ in 0..<random.number(0...3) { agenda.add(.resume, at: later(0...3600)) }
        if random.chance(5) { agenda.add(.cancel, at: later(0...3600)) }
        planPolicy(life)
        while horizon > 0 {
            agenda.add(.tick, at: now.adding(seconds: horizon))
            horizon -= life / 4
        }
        apply(.nodesSelected(nodes.map(fact)))
    }

    /// What policy and other rollouts will do meanwhile.
    private mutating func planPolicy(_ life: Int64) {
        if random.chance(20) { agenda.add(.urgency(random.chance(80)), at: later(0...1000)) }
        for name in ["nights", "seldom"] where random.chance(20) {
            agenda.add(.freeze(name, true), at: later(0...3000))
            agenda.add(.freeze(name, false), at: later(3000...9000))
        }
        if random.chance(30), let db = Tag("db") {
            for _ in 0..<random.number(1...4) {
                let limit = FleetLimit(most: random.number(1...2), others: random.number(0...2))
                agenda.add(.others([db: limit]), at: later(0...6000))
            }
            apply(.fleetLimits([db: FleetLimit(most: 1, others: random.number(0...1))]))
        }
        guard !isClockSteady else { return }
        for _ in 0..<random.number(1...4) {
            agenda.add(.stepClock(Int64(random.number(-4000...1000)) * 1000), at: later(0...Int(life)))
        }
    }

    mutating func later(_ seconds: ClosedRange<Int>) -> UTCTime {
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
        node.tags = Set(["test", "web", "db"].filter { _ in random.chance(35) }.compactMap { Tag($0) })
        node.hours = random.pick([nil, nil, nil, "nights", "nights", "seldom", random.chance(20) ? "never" : nil])
        node.isWorse = isBad && random.chance(50)
        nodes[index] = node
        if random.chance(10) { agenda.add(.silent(index), at: later(100...9000)) }
        if random.chance(15) { agenda.add(.offline(index), at: later(0...2000)) }
        if random.chance(3) { agenda.add(.leave(index), at: later(0...3000)) }
        if random.chance(8) { nodes[index].obstacle = "its key expired" }
        if random.chance(10) { agenda.add(.block(index), at: later(0...3000)) }
        if random.chance(20) { agenda.add(.unblock(index), at: later(60...6000)) }
    }

    func fact(_ node: SimulatedNode) -> NodeFact {
        NodeFact(
            node: node.id,
            version: node.version,
            lastSeen: node.lastSeen,
            obstacle: node.obstacle,
            tags: node.tags,
            hours: node.hours
        )
    }

    // MARK: - Time

    /// Runs until the rollout is over and every node has come to rest, or something is wrong.
    mutating func run() throws {
        var ticksAt: UTCTime?
        while violation == nil {
            let due = rollout.nextDeadline(after: reading)
            if let due, due.adding(milliseconds: -skew) < agenda.next ?? UTCTime(milliseconds: .max) {
                if due == ticksAt { return fail("no progress at deadline \(due)") }
                ticksAt = due
                now = max(now, due.adding(milliseconds: -skew))
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

    /// What the service's clock shows.
    var reading: UTCTime { now.adding(milliseconds: skew) }

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
        case .freeze(let name, let isFrozen):
            hours[name]?.isFrozen = isFrozen
            if let slot = hours[name]?.slot(at: reading) { apply(.slots([name: slot])) }
        case .others(let limits): apply(.fleetLimits(limits))
        case .urgency(let skipsBake): apply(.urgency(skipsBake: skipsBake))
        case .silent(let index): if !nodes[index].isOnline { apply(.silent(nodes[index].id, since: now)) }
        case .stepClock(let step): skew += step
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

    // MARK: - The rollout

    mutating func apply(_ event: RolloutEvent) {
        step(event)
        // The service looks up whatever hours have passed, at once.
        while violation == nil {
            let stale = rollout.staleHours(at: reading)
            guard !stale.isEmpty else { return }
            let moment = rollout.latest(reading)
            step(
                .slots(
                    Dictionary(
                        uniqueKeysWithValues: stale.compactMap { name in
                            hours[name].map { (name, $0.slot(at: moment)) }
                        }
                    )
                )
            )
        }
    }

    private mutating func step(_ event: RolloutEvent) {
        eventCount += 1
        let before = rollout
        let effects = rollout.apply(event, at: reading)
        history += effects
        wake(effects)
        store(before)
        if let wrong = referee.check(event, effects, before: before, after: rollout, at: rollout.latest(reading)) {
            return fail("\(event): \(wrong)")
        }
        if let wrong = referee.checkTurns(effects, before: before, after: rollout, nodes: nodes) {
            return fail("\(event): \(wrong)")
        }
        if let wrong = checkReality() { return fail("\(event): \(wrong)") }
        if case .resume = event {} else { checkAgain(event) }
        if restarts.chance(restartPercent) { restart() }
    }

    /// Writes what changed, as the service does after each event; together with what was there, it is everything.
    private mutating func store(_ before: Rollout) {
        let changes = rollout.takeChanges()
        stored.header = changes.header
        for node in changes.nodes {
            if node.index < stored.nodes.count {
                stored.nodes[node.index] = node.json
            } else if node.index == stored.nodes.count {
                stored.nodes.append(node.json)
            } else {
                return fail("node \(node.index) is written before those in front of it")
            }
        }
        let written = Set(changes.nodes.map(\.index))
        for (index, node) in rollout.nodes.enumerated() where !written.contains(index) {
            if index >= before.nodes.count || node != before.nodes[index] {
                fail("\(node.id) changed and was not written")
            }
        }
    }

    /// The long polls of nodes whose manifest changed return.
    private mutating func wake(_ effects: [RolloutEffect]) {
        for effect in effects {
            guard case .assign(let node) = effect, let index = indices[node] else { continue }
            if let obstacle = nodes[index].obstacle { fail("assigned \(node), although \(obstacle)") }
            if let slot = nodes[index].hours.flatMap({ hours[$0] })?.slot(at: rollout.latest(reading)), !slot.isOpen {
                fail("assigned \(node), although \(slot.reason)")
            }
            agenda.add(.wake(index), at: later(0...20))
        }
    }

    /// The same event once more changes nothing.
    private mutating func checkAgain(_ event: RolloutEvent) {
        var copy = rollout
        let effects = copy.apply(event, at: reading)
        if !effects.isEmpty || copy.revision != rollout.revision { fail("\(event) again had effects \(effects)") }
    }

    /// Nodes that hold the right to change themselves, and were not given up, fit within the limit.
    private func checkReality() -> String? {
        // A service whose clock steps cannot know until when manifests are good.
        guard rollout.phase.isOpen, isClockSteady else { return nil }
        var busy = 0
        for node in nodes where node.isChanging || node.mayBeginUntil.map({ now < $0 }) == true {
            if let state = rollout.node(node.id)?.state, !state.isFailure { busy += 1 }
        }
        let limit = rollout.strategy.maxInFlight
        return busy > limit ? "\(busy) nodes may be changing themselves, \(limit) allowed" : nil
    }

    private mutating func restart() {
        do {
            let header = try JSONFields(try JSONValue.parse(stored.header.jsonBytes, limit: 1_000_000))
            let nodes = try stored.nodes.map {
                try JSONFields(try JSONValue.parse($0.jsonBytes, limit: 100_000))
            }
            let read = try Rollout(header: header, nodes: nodes)
            if read.json != rollout.json { return fail("read back differently") }
            rollout = read
        } catch {
            fail("cannot be read back: \(error)")
        }
    }

    mutating func fail(_ reason: String) {
        violation = violation ?? "at \(now), event \(eventCount): \(reason)"
    }
}

/// The simulation could not be set up.
struct SimulationError: Error {}
