import ByteCoding
import Glibc
import MusterModel
import MusterRollout

/// A rollout on 100,000 nodes, from the selection to the last confirmation, as the service drives it: each event applied to
/// a copy, and what changed made ready to be written.
///
/// Two groups, hours that close and open again, a limit by tag, a metric, one node in a hundred silent until later.
struct RolloutBenchmark {
    private static let count = 100_000

    private enum Failure: Error {
        case name
        case unfinished(String)
    }

    private var rollout: Rollout
    private var now = UTCTime(seconds: 1_800_000_000)
    private var steps = 0
    private var total = 0.0
    private var worst = 0.0
    private var worstEvent = ""
    private var written = 0
    private var silent: Set<NodeID> = []

    private init(isApproved: Bool = true) throws {
        guard let id = RolloutID("00112233445566778899aabbccddeeff"), let test = Tag("test"), let db = Tag("db") else {
            throw Failure.name
        }
        let strategy = RolloutStrategy(
            stages: [.count(10), .percent(1), .percent(100)],
            bakeSeconds: 300,
            maxInFlight: 1000,
            maxFailures: 10,
            groups: [.init(name: "test", nodes: [.tag(test)]), .init(name: "all", nodes: [.every])],
            tagInFlight: [db: 50],
            metrics: [.init(name: "p99", percent: 50)]
        )
        rollout = Rollout(
            id: id,
            version: "2.0",
            strategy: strategy,
            expires: now.adding(seconds: 2_592_000),
            isApproved: isApproved
        )
    }

    /// What the costliest step of planning costs, once all nodes are known; the note says what taking them in costs.
    static func steps() throws -> Figure {
        var benchmark = try RolloutBenchmark()
        try benchmark.select()
        let selection = benchmark.worst
        benchmark.worst = 0
        try benchmark.finish()
        let mean = benchmark.total / Double(benchmark.steps) * 1000
        return Figure(
            name: "rollout-100000",
            value: benchmark.worst,
            unit: "ms of CPU, worst step",
            goal: "at most 100 ms",
            met: benchmark.worst <= 100,
            note: "\(benchmark.worstEvent); on average \(text(mean)) us a step in \(benchmark.steps) steps, "
                + "\(benchmark.written) rows written; taking in all nodes, once: \(text(selection)) ms"
        )
    }

    /// What a node of a rollout costs in memory, measured in a process of its own.
    static func memory(in folder: String, program: String) throws -> Figure {
        let output = folder + "/resident"
        _ = try Child.run([program, "--rollout-memory"], output: output)
        let lines = try Child.read(output).split(separator: "\n")
        guard let grown = lines.last.flatMap({ Double($0) }) else { throw Failure.unfinished("no figure") }
        let each = grown / Double(count)
        return Figure(
            name: "rollout-100000-memory",
            value: each,
            unit: "bytes for each node",
            goal: "at most 1024 bytes",
            met: each <= 1024,
            note: "resident memory that \(count) selected nodes add, their ids among it"
        )
    }

    /// Prints how many bytes of resident memory a rollout adds.
    static func printMemory() throws {
        var benchmark = try RolloutBenchmark(isApproved: false)
        let before = try residentBytes()
        // In pieces, as what is handed over is not to be counted.
        for piece in stride(from: 0, to: count, by: 1000) {
            benchmark.apply(.nodesSelected(try benchmark.facts(piece..<piece + 1000)))
        }
        benchmark.apply(.approved)
        let after = try residentBytes()
        guard benchmark.rollout.nodes.count == count, benchmark.rollout.stage == 0 else {
            throw Failure.unfinished("\(benchmark.rollout.nodes.count) selected")
        }
        print(after - before)
    }

    private static func residentBytes() throws -> Int {
        let words = try Child.read("/proc/self/statm").split(separator: " ")
        guard words.count > 1, let pages = Int(words[1]) else { throw Failure.unfinished("/proc/self/statm") }
        return pages * sysconf(Int32(_SC_PAGESIZE))
    }

    private static func text(_ value: Double) -> String {
        let hundredths = Int64((value * 100).rounded())
        return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
    }

    // MARK: - Steps

    private mutating func select() throws {
        apply(.slots(["nights": .open(until: now.adding(seconds: 1200))]))
        apply(.nodesSelected(try facts(0..<Self.count)))
        guard rollout.nodes.count == Self.count else { throw Failure.unfinished("\(rollout.nodes.count) selected") }
    }

    private mutating func facts(_ numbers: Range<Int>) throws -> [NodeFact] {
        let tags = ["test", "db", "web"].compactMap { Tag($0) }
        var facts: [NodeFact] = []
        facts.reserveCapacity(numbers.count)
        for number in numbers {
            let bytes = (0..<16).map { UInt8(truncatingIfNeeded: number >> ($0 * 2)) }
            guard let id = NodeID(Hex.encode(bytes)) else { throw Failure.name }
            if number % 100 == 7 { silent.insert(id) }
            facts.append(
                NodeFact(
                    node: id,
                    version: "1.0",
                    lastSeen: now,
                    tags: number % 50 == 0 ? [tags[0]] : number % 10 == 1 ? [tags[1]] : [tags[2]],
                    hours: number % 2 == 0 ? "nights" : nil
                )
            )
        }
        return facts
    }

    private mutating func finish() throws {
        var isOpen = true
        while rollout.phase == .running, steps < 2_000_000 {
            let assigned = rollout.assignedNodes
            for node in assigned where !silent.contains(node) {
                apply(.seen(node))
                if rollout.needs(measured: node) { apply(.measured(node, ["p99": 100])) }
                report(node, .installing)
                report(node, .confirmed)
                if rollout.needs(measured: node) { apply(.measured(node, ["p99": 101])) }
            }
            guard assigned.allSatisfy(silent.contains) else { continue }
            if let node = silent.first, rollout.counts[.skipped] == silent.count {
                silent.remove(node)
                apply(.seen(node))
                continue
            }
            guard let deadline = rollout.nextDeadline(after: now) else { break }
            now = deadline
            if rollout.staleHours(at: now).isEmpty {
                apply(.tick)
            } else {
                isOpen.toggle()
                let until = now.adding(seconds: 1200)
                apply(.slots(["nights": isOpen ? .open(until: until) : .closed(until: until, reason: "by day")]))
            }
        }
        guard rollout.phase == .completed else {
            throw Failure.unfinished("\(rollout.phase), \(rollout.counts.occupied)")
        }
    }

    private mutating func report(_ node: NodeID, _ state: NodeProgress.State) {
        let version = state == .confirmed ? "2.0" : "1.0"
        apply(.reported(node, NodeProgress(rollout: rollout.id, state: state, version: version, reason: "", at: now)))
    }

    private mutating func apply(_ event: RolloutEvent) {
        let start = Self.cpu
        var changed = rollout
        let effects = changed.apply(event, at: now)
        let planned = Self.cpu - start
        written += changed.takeChanges().nodes.count
        // All rows are written once, which is the storage's matter.
        let spent = steps < 2 ? planned : Self.cpu - start
        rollout = changed
        steps += 1
        total += spent
        guard spent > worst else { return }
        worst = spent
        worstEvent = "\(Self.name(event)) with \(effects.count) effects"
    }

    private static func name(_ event: RolloutEvent) -> String {
        String("\(event)".prefix { $0.isLetter })
    }

    /// Milliseconds of CPU of this thread.
    private static var cpu: Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) * 1000 + Double(time.tv_nsec) / 1_000_000
    }
}
