import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel
import MusterTestSupport
import SignatureVerification
import Synchronization

/// Many simulated agents in one process against a real service, and what they saw.
public final class AgentSwarm: Sendable {
    /// What happened so far.
    public struct Tally: Sendable {
        /// Polls that were begun.
        public var polls = 0
        /// Manifests whose signature was verified.
        public var verified = 0
        /// Manifests that are not genuine.
        public var forgeries = 0
        /// Deliveries that had to be repeated.
        public var repetitions = 0
        fileprivate var began: [RunID: [NodeID: [ContinuousClock.Instant]]] = [:]
        fileprivate var delivered: [RunID: Set<NodeID>] = [:]
    }

    /// A simulated process runs so long at most.
    let runMilliseconds: Int
    private let service: SwarmService
    private let tally = Mutex(Tally())
    private let agents = Mutex<[SimulatedAgent]>([])

    /// So many agents that have joined the fleet.
    public init(_ count: Int, on service: SwarmService, runMilliseconds: Int) async throws {
        self.service = service
        self.runMilliseconds = runMilliseconds
        let secret = Digest.sha256(Array("swarm".utf8))
        let proof = EnrollBody.Proof.secret(sha256: Digest.sha256(secret), uses: count)
        let tags = ["web"].compactMap { NodeTag($0) }
        let statement = try service.fleet.statement(.enroll(EnrollBody(tags: tags, proof: proof)), seed: "swarm")
        _ = try await service.client.send(statement, session: try await service.login())
        var joined: [SimulatedAgent] = []
        try await withThrowingTaskGroup(of: SimulatedAgent.self) { group in
            for index in 0..<count {
                if index >= 64, let agent = try await group.next() { joined.append(agent) }
                group.addTask { try await self.join(index, secret) }
            }
            for try await agent in group { joined.append(agent) }
        }
        let all = joined
        agents.withLock { $0 = all }
    }

    private func join(_ index: Int, _ secret: [UInt8]) async throws -> SimulatedAgent {
        let name = "agent-\(index)"
        let key = TestKey("swarm-\(index)")
        let proof = EnrollRequest.proof(fleet: service.fleet.fleet, name: name, nodeKey: key.publicKey)
        let request = EnrollRequest(
            fleet: service.fleet.fleet,
            name: name,
            nodeKey: key.publicKey,
            secret: secret,
            signature: key.sign(proof.canonicalBytes)
        )
        guard case .enrolled(let id, _, _) = try await service.client.enroll(request) else {
            throw FleetSimulator.Failure.impossible
        }
        return SimulatedAgent(
            id: id,
            name: name,
            key: key,
            service: service,
            swarm: self,
            isThorough: index.isMultiple(of: 25)
        )
    }

    /// The ids of all agents.
    public var ids: [NodeID] { agents.withLock { $0.map(\.id) } }

    /// The names of all agents, by their ids.
    public var names: [NodeID: String] {
        agents.withLock { Dictionary(uniqueKeysWithValues: $0.map { ($0.id, $0.name) }) }
    }

    /// What happened so far.
    public var counts: Tally { tally.withLock { $0 } }

    /// Lets all agents live while `body` runs.
    public func live<Value: Sendable>(_ body: @Sendable () async throws -> Value) async throws -> Value {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for agent in agents.withLock({ $0 }) { group.addTask { await agent.live() } }
            defer { group.cancelAll() }
            return try await body()
        }
    }

    /// Waits until every agent polls, and has done so for a moment.
    public func awaitPolls(_ more: Int = 0) async throws {
        let wanted = agents.withLock { $0.count } + more
        for _ in 0..<1200 where tally.withLock({ $0.polls }) < wanted { try await Task.sleep(for: .milliseconds(50)) }
        try await Task.sleep(for: .seconds(2))
    }

    // MARK: - Runs

    /// A run of `echo` on every agent, signed now; when it was signed.
    public func ask(_ seed: String, session: String) async throws -> (id: RunID, signed: ContinuousClock.Instant) {
        let body = try service.fleet.run("echo", on: ids)
        let signed = ContinuousClock.now
        let statement = try service.fleet.statement(.run(body), seed: seed, lifetime: 3600)
        _ = try await service.client.send(statement, session: session)
        return (statement.statement.id, signed)
    }

    /// How long after `moment` each agent began a run, in milliseconds, shortest first.
    public func delays(of run: RunID, after moment: ContinuousClock.Instant) -> [Double] {
        let began = tally.withLock { $0.began[run] ?? [:] }
        return began.values.flatMap(\.self).map { (began: ContinuousClock.Instant) -> Double in
            let (seconds, attoseconds) = (began - moment).components
            return Double(seconds) * 1000 + Double(attoseconds) / 1e15
        }.sorted()
    }

    /// How many agents have had their result of a run acknowledged.
    public func deliveries(of run: RunID) -> Int { tally.withLock { $0.delivered[run]?.count ?? 0 } }

    /// How often agents began a run: once each, where all is well.
    public func beginnings(of run: RunID) -> [NodeID: Int] {
        tally.withLock { ($0.began[run] ?? [:]).mapValues(\.count) }
    }

    /// Waits until so many agents have delivered.
    public func awaitDeliveries(_ count: Int, of run: RunID, within limit: Duration) async throws {
        let end = ContinuousClock.now + limit
        while deliveries(of: run) < count {
            guard ContinuousClock.now < end else {
                throw RunningProgram.Failure("only \(deliveries(of: run)) of \(count) results after \(limit)")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    func began(_ run: RunID, _ node: NodeID) {
        let now = ContinuousClock.now
        tally.withLock { $0.began[run, default: [:]][node, default: []].append(now) }
    }

    func delivered(_ run: RunID, _ node: NodeID) {
        tally.withLock { _ = $0.delivered[run, default: []].insert(node) }
    }

    func note(_ what: sending WritableKeyPath<Tally, Int>) {
        tally.withLock { $0[keyPath: what] += 1 }
    }
}

/// A node's tag; `Tag` alone could be swift-testing's.
typealias NodeTag = MusterModel.Tag
