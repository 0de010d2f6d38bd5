import ByteCoding
import MusterAPI
import MusterModel
import MusterRun
import MusterStore

/// What nodes say of runs, and requesters of runs over SSH: on disk before it is acknowledged, and twice is as good as once.
struct RunDelivery: Sendable {
    let service: FleetService

    /// Most pieces in which one node's output of one run is kept.
    static let pieceLimit: Int64 = 65536
    /// Pieces of one update that are smaller than this are joined with the next one of the same stream.
    private static let smallPiece = 256
    /// Bytes beyond the command's limit that are kept: a mask may be longer than what it hides.
    private static let slack: Int64 = 4096

    /// An update of one of the nodes, by the node itself.
    func take(
        _ update: RunUpdate,
        of id: RunID,
        from node: NodeID,
        at time: UTCTime
    ) async throws -> RunUpdateReply {
        let run = try await service.runs.change(id, at: time) { run, ledger in
            guard run.engine.limits.isByAgent else { throw Problem.conflict("run \(id) is not for agents") }
            try Self.requireBegun(run)
            guard let position = run.engine.position(of: node) else { throw Self.notNamed(node, id) }
            Self.take(update, at: position, &run, &ledger)
        }
        guard let position = run.engine.position(of: node) else { throw Self.notNamed(node, id) }
        return RunUpdateReply(received: run.parts[position].received, cancel: run.engine.shallEnd(on: node))
    }

    /// Updates of several nodes of a run over SSH, by its requester.
    func take(_ results: RunResults, of id: RunID, by name: OperatorName, at time: UTCTime) async throws -> LiveRun {
        try await service.runs.change(id, at: time) { run, ledger in
            guard !run.engine.limits.isByAgent else {
                throw Problem.conflict("run \(id) is for agents: they say themselves how it goes")
            }
            guard run.statement.statement.requester == name else {
                throw Problem.refused("run \(id) is \(run.statement.statement.requester)'s")
            }
            try Self.requireBegun(run)
            let places = try results.updates.map { update throws(Problem) in
                guard let node = update.node, let position = run.engine.position(of: node) else {
                    throw Self.notNamed(update.node, id)
                }
                return (update, position)
            }
            for (update, position) in places { Self.take(update, at: position, &run, &ledger) }
        }
    }

    private static func notNamed(_ node: NodeID?, _ run: RunID) -> Problem {
        .missing("run \(run) does not name node '\(node?.text ?? "")'")
    }

    private static func requireBegun(_ run: LiveRun) throws(Problem) {
        guard run.engine.phase != .waiting, run.engine.phase != .scheduled else {
            throw .conflict("run \(run.id) has not begun: \(run.reason)")
        }
    }

    // MARK: - One update

    private static func take(_ update: RunUpdate, at position: Int, _ run: inout LiveRun, _ ledger: inout RunLedger) {
        keep(update, at: position, &run, &ledger)
        if let result = update.result, run.parts[position].result == nil {
            run.parts[position].result = result
            ledger.changePart(position, of: run.id)
        }
        let node = run.engine.nodes[position].id
        if update.state == .accepted {
            ledger.apply([.handed(node)], to: &run)
        } else {
            ledger.apply([.reported(node, report(update))], to: &run)
        }
    }

    private static func report(_ update: RunUpdate) -> RunReport {
        switch update.state {
        case .accepted, .started: .started
        case .ended: update.result.map { ended($0, update.reason) } ?? .lost(reason: update.reason)
        case .refused: .refused(reason: update.reason)
        case .notStarted: .notStarted(reason: update.reason)
        case .lost: .lost(reason: update.reason)
        case .cancelled: .cancelled(reason: update.reason)
        case .expired: .expired(reason: update.reason)
        }
    }

    private static func ended(_ result: RunResult, _ reason: String) -> RunReport {
        guard !result.succeeded else { return .succeeded }
        let words = [result.endingText, reason, result.note].filter { !$0.isEmpty }.joined(separator: "; ")
        return result.cancelled ? .cancelled(reason: words) : .failed(reason: words)
    }

    // MARK: - Output

    /// Keeps what is new of the output; beyond the limit it is counted and not kept, so that the node comes to an end.
    private static func keep(_ update: RunUpdate, at position: Int, _ run: inout LiveRun, _ ledger: inout RunLedger) {
        guard !update.output.isEmpty, update.offset <= run.parts[position].received else { return }
        let limit = (run.body?.definition.outputBytes ?? 0) + slack
        let node = run.engine.nodes[position].id
        var offset = update.offset
        for piece in joined(update.output) {
            let known = run.parts[position].received - offset
            offset += Int64(piece.data.count)
            guard known < Int64(piece.data.count) else { continue }
            let begins = run.parts[position].received
            let fresh = Array(piece.data.dropFirst(Int(max(0, known))))
            run.parts[position].received += Int64(fresh.count)
            let room = Int(min(Int64(fresh.count), max(0, limit - begins)))
            guard room > 0, run.keepsOutput, run.parts[position].pieces < pieceLimit else { continue }
            run.parts[position].pieces += 1
            run.output += 1
            ledger.add(
                StoredRunOutput(
                    sequence: run.output,
                    node: node,
                    offset: begins,
                    stream: piece.stream.rawValue,
                    milliseconds: piece.milliseconds,
                    bytes: Array(fresh.prefix(room))
                ),
                to: run.id
            )
        }
        ledger.changePart(position, of: run.id)
    }

    private static func joined(_ pieces: [RunUpdate.Piece]) -> [RunUpdate.Piece] {
        var joined: [RunUpdate.Piece] = []
        for piece in pieces where !piece.data.isEmpty {
            guard let last = joined.last, last.stream == piece.stream, last.data.count < smallPiece else {
                joined.append(piece)
                continue
            }
            joined[joined.count - 1] = RunUpdate.Piece(
                stream: last.stream,
                milliseconds: last.milliseconds,
                data: last.data + piece.data
            )
        }
        return joined
    }
}

extension FleetService {
    /// Forgets output that was kept long enough, some at a time: nobody waits behind it.
    func forgetRunOutput(at time: UTCTime) async throws {
        let cutoff = time.adding(seconds: -86400 * options.keepRunOutputDays)
        for _ in 0..<1000 {
            guard try await store.write({ try $0.forgetRunOutput(endedBefore: cutoff, limit: 500) }) else { return }
        }
    }
}
