import ByteCoding
import MusterIdentity
import MusterTestSupport
import Testing

/// Thousands of rotations between a node and a service that both die wherever they like, over a network that loses, delays and
/// repeats; after every step some key on the node's disk must be one that the service on its disk accepts.
@Suite("Rotations under simulation")
struct RotationSimulationTests {
    @Test("never a moment without a key that both sides accept, and every history ends with one key", arguments: 0..<8)
    func histories(shard: Int) {
        for number in 0..<500 {
            let seed = UInt64(shard * 1_000_000 + number)
            var simulation = RotationSimulation(seed: seed)
            if let violation = simulation.run() { Issue.record("seed \(seed): \(violation)") }
        }
    }

    @Test("the simulation meets what it is for: deaths of both sides in the middle, and many rotations")
    func coverage() {
        var rotations = 0
        var deaths: [RotationSimulation.Moment: Int] = [:]
        for seed in 0..<300 as Range<UInt64> {
            var simulation = RotationSimulation(seed: seed)
            _ = simulation.run()
            rotations += simulation.rotations
            deaths.merge(simulation.deaths) { $0 + $1 }
        }
        #expect(rotations > 1000)
        for moment in RotationSimulation.Moment.allCases { #expect((deaths[moment] ?? 0) > 20, "\(moment)") }
    }
}

/// One node and its service: what each has on its disk survives, what each only knows does not.
struct RotationSimulation {
    /// Where either side may die.
    enum Moment: CaseIterable {
        case keyMade
        case offerOnItsWay
        case offerStored
        case offerAnswered
        case proofOnItsWay
        case replacementStored
        case sessionOpened
        case keyAdopted
    }

    private struct Dead: Error {}

    private(set) var rotations = 0
    private(set) var deaths: [Moment: Int] = [:]
    private var random: SeededGenerator
    private var now = UTCTime(seconds: 1_800_000_000)
    private var disk: NodeKeyring
    private var memory: NodeKeyring
    private var service: NodeKeyLife
    private let lifetime: Int64
    private var made: UInt8 = 0
    /// Offers that the network may deliver once more, at any time; the old key's signature is good for that key only.
    private var strays: [(old: [UInt8], new: [UInt8])] = []
    private var violation: String?

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
        lifetime = Int64.random(in: 1...365, using: &random) * 86400
        let first = Self.key(0)
        disk = NodeKeyring(current: first, next: nil)
        memory = disk
        service = NodeKeyLife(key: first, since: now, lifetime: lifetime)
    }

    private static func key(_ number: UInt8) -> [UInt8] {
        [number, number &* 37] + [UInt8](repeating: number, count: 30)
    }

    /// What is wrong; nil where every step kept the promise.
    mutating func run() -> String? {
        for _ in 0..<60 where violation == nil {
            now = now.adding(seconds: Int64.random(in: 0...(lifetime / 4), using: &random))
            if service.isLimited(at: now), chance(50) { _ = service.extend(at: now) }
            if let stray = strays.randomElement(using: &random), chance(30), stray.old == service.key {
                _ = service.offer(stray.new, at: now)
            }
            try? turn(mayDie: true)
            check("after a turn")
        }
        // Left in peace, the two find together again and finish what was begun.
        for _ in 0..<4 {
            now = now.adding(seconds: 120)
            if service.isLimited(at: now) { _ = service.extend(at: now) }
            try? turn(mayDie: false)
        }
        check("at the end")
        if disk.next != nil || disk.current != service.key { note("the rotation was never finished") }
        return violation
    }

    /// What an agent does between two reports.
    private mutating func turn(mayDie: Bool) throws {
        try openSession(mayDie)
        let notice = (state: service.state(at: now).rawValue, rotateAfter: service.rotateAfter)
        let isDue = NodeKeyring.isDue(state: notice.state, rotateAfter: notice.rotateAfter, serviceTime: now)
        guard isDue || memory.next != nil else { return }
        if memory.rotation == .make {
            made &+= 1
            memory.made(Self.key(made))
            disk = memory
            try moment(.keyMade, mayDie)
        }
        guard case .offer(let key) = memory.rotation else { return }
        try moment(.offerOnItsWay, mayDie)
        strays.append((memory.current, key))
        let answer = service.offer(key, at: now)
        check("after an offer")
        try moment(.offerStored, mayDie)
        guard answer == .accepted || answer == .known else { return }
        try moment(.offerAnswered, mayDie)
        try openSession(mayDie)
    }

    private mutating func openSession(_ mayDie: Bool) throws {
        for key in memory.candidates {
            if key == memory.next { try moment(.proofOnItsWay, mayDie) }
            switch service.use(key, lifetime: lifetime) {
            case .unknown: continue
            case .replaced:
                rotations += 1
                check("after a replacement")
                try moment(.replacementStored, mayDie)
            case .present: break
            }
            guard memory.isProven(by: key) else { return }
            try moment(.sessionOpened, mayDie)
            disk.adopted()
            check("after adoption")
            try moment(.keyAdopted, mayDie)
            memory.adopted()
            return
        }
        note("no key on the disk opens a session")
    }

    /// The node dies, or its answer is lost, which is the same to it: it starts again from its disk.
    private mutating func moment(_ moment: Moment, _ mayDie: Bool) throws {
        check("at \(moment)")
        guard mayDie, chance(25) else { return }
        deaths[moment, default: 0] += 1
        memory = disk
        throw Dead()
    }

    private mutating func check(_ when: String) {
        let accepted = [service.key, service.next?.key].compactMap(\.self)
        if !disk.candidates.contains(where: accepted.contains) {
            note("\(when): the service accepts none of the node's keys")
        }
    }

    private mutating func note(_ text: String) { violation = violation ?? "at \(now): \(text)" }

    private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 1...100, using: &random) <= percent }
}
