import ByteCoding
import CanonicalJSON
import MusterModel
import MusterRun
import MusterStore

/// What a group of changes of runs writes, in one transaction, and whom it wakes afterwards.
struct RunLedger: Sendable {
    private enum Write: Sendable {
        case event(type: String, actor: String, detail: JSONObject)
        case output(RunID, StoredRunOutput)
        case other(@Sendable (StoreTransaction) throws -> Void)
    }

    let time: UTCTime
    private var writes: [Write] = []
    private var runs: Set<RunID> = []
    private var nodes: [RunID: Set<Int>] = [:]
    /// Nodes whose manifest is another one now.
    private(set) var changedNodes: Set<NodeID> = []
    /// Runs that operators who watch them want to hear of.
    private(set) var announced: Set<RunID> = []
    /// Nodes of runs whose work has to be looked up anew; nil for all of them.
    private(set) var touched: [RunID: Set<NodeID>?] = [:]

    init(time: UTCTime) {
        self.time = time
    }

    /// Whether there is nothing to write.
    var isEmpty: Bool { writes.isEmpty && runs.isEmpty && nodes.isEmpty }

    /// Writes a new run whole.
    mutating func add(_ run: LiveRun) {
        runs.insert(run.id)
        nodes[run.id] = Set(run.engine.nodes.indices)
        touched[run.id] = .some(nil)
        announced.insert(run.id)
    }

    /// Notes something of a run that is not its engine's to decide.
    mutating func change(_ run: RunID) {
        runs.insert(run)
        announced.insert(run)
    }

    /// Notes a piece of output.
    mutating func add(_ piece: StoredRunOutput, to run: RunID) {
        writes.append(.output(run, piece))
        announced.insert(run)
        runs.insert(run)
    }

    /// Notes that what a node sent has changed.
    mutating func changePart(_ position: Int, of run: RunID) {
        nodes[run, default: []].insert(position)
    }

    /// Adds an entry to the log.
    mutating func log(_ type: String, run: RunID, actor: String = "musterd", _ detail: JSONObject = [:]) {
        var detail = detail
        detail["run"] = JSONValue(run)
        writes.append(.event(type: type, actor: actor, detail: detail))
    }

    /// Does something else in the same transaction.
    mutating func also(_ write: @escaping @Sendable (StoreTransaction) throws -> Void) {
        writes.append(.other(write))
    }

    /// Lets a run's engine take events, and notes all that follows.
    mutating func apply(_ events: [RunEvent], to run: inout LiveRun) {
        let step = run.engine.apply(events, at: time)
        touch(events, run)
        if step.isChanged { change(run.id) }
        for changed in step.nodes {
            changePart(changed.position, of: run.id)
            touch(run.id, changed.node.id)
        }
        for effect in step.effects { note(effect, &run) }
    }

    /// Writes everything.
    func write(_ transaction: StoreTransaction, _ working: [RunID: LiveRun]) throws {
        var first: [Write] = []
        var rest: [Write] = []
        for write in writes {
            if case .other = write { first.append(write) } else { rest.append(write) }
        }
        // Statements before the runs that refer to them, and those before what belongs to them.
        for write in first { if case .other(let body) = write { try body(transaction) } }
        for id in runs { if let stored = working[id]?.stored { try transaction.put(stored) } }
        for (id, positions) in nodes {
            guard let run = working[id] else { continue }
            for position in positions { try transaction.put(run.storedNode(position), of: id) }
        }
        for write in rest {
            switch write {
            case .event(let type, let actor, let detail):
                try transaction.append(event: type, actor: actor, detail: .object(detail), at: time)
            case .output(let run, let piece): try transaction.add(piece, to: run)
            case .other: break
            }
        }
    }

    // MARK: - Effects

    private mutating func note(_ effect: RunEffect, _ run: inout LiveRun) {
        switch effect {
        case .began:
            log("run-started", run: run.id)
            touched[run.id] = .some(nil)
        case .assigned(let node), .withdrawn(let node), .cancelling(let node): changedNodes.insert(node)
        case .nodeStarted(let node): log("run-node-started", run: run.id, actor: node.text, ["node": JSONValue(node)])
        case .nodeEnded(let node): logEnd(of: node, run)
        case .stopped(let stop):
            touched[run.id] = .some(nil)
            logStop(stop, run.id)
        case .ended(let outcome):
            touched[run.id] = .some(nil)
            if run.ended == nil { run.ended = time }
            log(
                "run-ended",
                run: run.id,
                ["outcome": .string(outcome.rawValue), "reason": .string(run.engine.reason)]
            )
        }
    }

    private mutating func logEnd(of id: NodeID, _ run: LiveRun) {
        guard let node = run.engine.node(id) else { return }
        let position = run.engine.position(of: id)
        var detail: JSONObject = [
            "node": JSONValue(id), "state": .string(node.state.rawValue), "reason": .string(node.reason),
        ]
        if let result = position.flatMap({ run.parts[$0].result }) { detail["result"] = result.json }
        log("run-node-ended", run: run.id, actor: node.isStated ? id.text : "musterd", detail)
    }

    private mutating func logStop(_ stop: Run.Stop, _ run: RunID) {
        switch stop {
        case .cancelled(let reason, let by):
            log("run-cancelled", run: run, actor: by.text, ["reason": .string(reason)])
        case .denied(let reason, let by): log("run-denied", run: run, actor: by.text, ["reason": .string(reason)])
        case .halted(let reason): log("run-halted", run: run, ["reason": .string(reason)])
        case .expired(let reason): log("run-expired", run: run, ["reason": .string(reason)])
        }
    }

    private mutating func touch(_ run: RunID, _ node: NodeID) {
        guard let known = touched[run] else {
            touched[run] = [node]
            return
        }
        if var some = known {
            some.insert(node)
            touched[run] = some
        }
    }

    private mutating func touch(_ events: [RunEvent], _ run: LiveRun) {
        for event in events {
            switch event {
            case .contact(let node, _), .handed(let node), .told(let node): touch(run.id, node)
            default: break
            }
        }
    }
}
