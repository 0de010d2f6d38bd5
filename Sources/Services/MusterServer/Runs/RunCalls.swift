import ByteCoding
import CanonicalJSON
import Hummingbird
import MusterAPI
import MusterModel
import MusterRun
import MusterStore

/// The calls below `/v1/runs`.
struct RunCalls: Sendable {
    let service: FleetService

    /// Most bytes of output in one answer.
    private static let outputLimit = 4_000_000

    private var asking: RunAsking { RunAsking(service: service) }

    /// `GET /v1/runs?limit=&before=&command=&requester=&node=&state=&from=&until=`.
    func list(_ call: Call) async throws -> Response {
        _ = try service.operators.reader(call)
        var filter = RunFilter()
        filter.limit = Int(try call.number("limit", default: 100, limit: 1000))
        filter.command = try Self.name(call, "command")
        filter.requester = try Self.name(call, "requester")
        filter.node = try Self.name(call, "node")
        filter.before = try Self.name(call, "before")
        filter.from = try Self.moment(call, "from")
        filter.until = try Self.moment(call, "until")
        filter.state = try call.query("state").map { text throws(Problem) in
            guard let state = RunRecord.State(rawValue: text) else {
                throw .malformed("query member 'state' is no state of a run")
            }
            return state.rawValue
        }
        return Answer.body(List(try await service.runs.records(filter)))
    }

    /// `GET /v1/runs/{id}?after=REVISION&wait=SECONDS`.
    func show(_ call: Call, _ text: String) async throws -> Response {
        _ = try service.operators.reader(call)
        let id = try Self.id(text)
        let after = try Self.revision(call)
        let until = call.time.adding(seconds: try call.wait())
        while true {
            let mark = service.runs.polls.mark(id)
            guard let run = try await service.runs.run(id) else { throw Problem.missing("there is no run '\(id)'") }
            let left = until.seconds - service.options.clock().seconds
            guard run.engine.revision <= after, run.engine.phase != .ended, left > 0, !service.runs.polls.isOver else {
                return Answer.body(service.runs.record(run))
            }
            await service.runs.polls.wait(for: id, after: mark, seconds: left, on: call.channel.eventLoop)
        }
    }

    /// `GET /v1/runs/{id}/output?after=SEQUENCE&wait=SECONDS&node=&limit=`.
    func output(_ call: Call, _ text: String) async throws -> Response {
        _ = try service.operators.reader(call)
        let id = try Self.id(text)
        let after = try call.number("after", default: 0)
        let limit = Int(try call.number("limit", default: 1000, limit: 10_000))
        let node: NodeID? = try Self.name(call, "node")
        let until = call.time.adding(seconds: try call.wait())
        while true {
            let mark = service.runs.polls.mark(id)
            guard let run = try await service.runs.run(id) else { throw Problem.missing("there is no run '\(id)'") }
            let (chunks, isAll) = try await chunks(of: id, after: after, node: node, limit: limit)
            let isOver = node.flatMap { run.engine.node($0)?.state.isOver } ?? (run.engine.phase == .ended)
            let left = until.seconds - service.options.clock().seconds
            guard chunks.isEmpty, !isOver, left > 0, !service.runs.polls.isOver else {
                return Answer.body(RunOutput(chunks: chunks, isComplete: isOver && isAll))
            }
            await service.runs.polls.wait(for: id, after: mark, seconds: left, on: call.channel.eventLoop)
        }
    }

    /// `POST /v1/runs/{id}/approve`, `/deny`, `/cancel`, `/certificate`, `/results`.
    func control(_ call: Call, _ text: String, _ action: String) async throws -> Response {
        let name = try service.operators.authenticate(call)
        let id = try Self.id(text)
        switch action {
        case "approve":
            let request: ApprovalRequest = try await call.body()
            return record(try await asking.approve(id, request.signature, try check(call)))
        case "deny":
            let request: ReasonRequest = try await call.body()
            return record(try await asking.deny(id, request.reason, by: name, try check(call)))
        case "cancel":
            let request: ReasonRequest = try await call.body()
            return record(try await asking.cancel(id, request.reason, by: name, at: call.time))
        case "certificate": return try await certificate(call, id, name)
        case "results":
            let results: RunResults = try await call.body()
            return record(try await RunDelivery(service: service).take(results, of: id, by: name, at: call.time))
        default: throw Problem.missing("a run can be approved, denied and cancelled")
        }
    }

    // MARK: - Parts

    private func certificate(_ call: Call, _ id: RunID, _ name: OperatorName) async throws -> Response {
        _ = try await call.bytes(limit: 4096)
        guard let run = try await service.runs.run(id) else { throw Problem.missing("there is no run '\(id)'") }
        guard !run.engine.limits.isByAgent else {
            throw Problem.conflict("run \(id) is for agents: no certificate belongs to it")
        }
        guard run.engine.phase == .running else {
            throw Problem.conflict("run \(id) is \(run.state.rawValue): \(run.reason)")
        }
        let reply = try await RunCertificates(service: service).issue(
            run.statement,
            to: name,
            from: CertificateOrigin(call, service),
            at: call.time
        )
        return Answer.body(reply)
    }

    /// Pieces of output, and whether there are no more for now.
    private func chunks(
        of id: RunID,
        after: Int64,
        node: NodeID?,
        limit: Int
    ) async throws -> (chunks: [RunOutput.Chunk], isAll: Bool) {
        let page = 64
        var found: [StoredRunOutput] = []
        var bytes = 0
        while found.count < limit, bytes < Self.outputLimit {
            let last = found.last?.sequence ?? after
            let count = min(page, limit - found.count)
            let more = try await service.store.read {
                try $0.output(of: id, after: last, node: node, limit: count)
            }
            found += more
            bytes += more.reduce(0) { $0 + $1.bytes.count }
            if more.count < count { return (found.map { RunOutput.Chunk($0) }, true) }
        }
        return (found.map { RunOutput.Chunk($0) }, false)
    }

    private func record(_ run: LiveRun) -> Response { Answer.body(service.runs.record(run)) }

    private func check(_ call: Call) throws(Problem) -> StatementCheck {
        StatementCheck(publication: try service.repository.publication(), time: call.time)
    }

    static func id(_ text: String) throws(Problem) -> RunID {
        guard let id = RunID(text) else { throw .missing("there is no run '\(text)'") }
        return id
    }

    /// The revision that the caller knows; -1, as without one, for none.
    private static func revision(_ call: Call) throws(Problem) -> Int64 {
        call.query("after") == "-1" ? -1 : try call.number("after", default: -1)
    }

    private static func name<Name: CheckedName>(_ call: Call, _ key: String) throws(Problem) -> Name? {
        guard let text = call.query(key) else { return nil }
        guard let name = Name(text) else { throw .malformed("query member '\(key)' is not \(Name.form)") }
        return name
    }

    private static func moment(_ call: Call, _ key: String) throws(Problem) -> UTCTime? {
        guard call.query(key) != nil else { return nil }
        return UTCTime(milliseconds: try call.number(key, default: 0))
    }
}

extension RunOutput.Chunk {
    init(_ stored: StoredRunOutput) {
        self.init(
            sequence: stored.sequence,
            node: stored.node,
            offset: stored.offset,
            piece: RunUpdate.Piece(
                stream: RunStream(rawValue: stored.stream) ?? .output,
                milliseconds: stored.milliseconds,
                data: stored.bytes
            )
        )
    }
}
