import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterKeys
import MusterModel
import MusterTestSupport

@testable import MusterServer

/// A service with two releases of `hello` and some nodes that have the first, and what tests of rollouts do with it.
struct RolloutFleet {
    let fixture: ServerFixture
    /// The session of `ada`, who may do everything.
    let session: String
    /// The target paths of hello 1.0 and 2.0.
    let old: String
    let new: String
    private(set) var nodes: [TestNode]
    private let names: [String]

    var client: MusterClient { fixture.client }

    /// Runs `body` with nodes of these names, each with its tags.
    static func run(
        _ names: [(name: String, tags: [String])],
        simulator: FleetSimulator? = nil,
        floor: String? = nil,
        security: Bool = false,
        options: (inout ServeOptions) -> Void = { _ in },
        _ body: (RolloutFleet) async throws -> Void
    ) async throws {
        let directory = "/tmp/muster-rollout-test-" + Hex.encode(RandomBytes.make(8))
        defer { removeTree(directory) }
        try await ServerFixture.run(in: directory, withFleet: true, as: simulator, options: options) { fixture in
            try await body(try await RolloutFleet(fixture, names, floor: floor, security: security))
        }
    }

    init(
        _ fixture: ServerFixture,
        _ names: [(name: String, tags: [String])],
        floor: String? = nil,
        security: Bool = false
    ) async throws {
        self.fixture = fixture
        session = try await fixture.login()
        old = try await fixture.release("1.0", counter: 1, by: session)
        new = try await fixture.release("2.0", counter: 2, security: security, floor: floor, by: session)
        var nodes: [TestNode] = []
        for (name, tags) in names {
            let secret = try await fixture.token(uses: 1, tags: tags, seed: name, by: session)
            let node = try await fixture.node(name, secret: secret)
            try await node.report(version: "1.0")
            nodes.append(node)
        }
        self.nodes = nodes
        self.names = names.map(\.name)
    }

    /// The same so many minutes later: the service has noticed, and the nodes have sessions that are not over.
    func later(minutes: Int64) async throws -> RolloutFleet {
        fixture.clock.advance(seconds: minutes * 60)
        try await fixture.server.service.rollouts.tick(at: fixture.clock.now())
        var later = self
        later.nodes = []
        for (node, name) in zip(nodes, names) {
            later.nodes.append(try await TestNode(fixture, node.id, TestKey("node-" + name)))
        }
        return later
    }

    /// Asks for an upgrade to 2.0, or for a roll-back to 1.0; returns the rollout's id.
    @discardableResult
    func start(
        isRollBack: Bool = false,
        nodes: [NodeSelector] = [.every],
        strategy: RolloutStrategy = RolloutStrategy(stages: [.percent(100)], bakeSeconds: 0, maxFailures: 100),
        seed: String = "start",
        by name: String = "ada",
        lifetime: Int64 = 7 * 86400
    ) async throws -> RolloutID {
        let body = try fixture.fleet.upgrade(to: isRollBack ? old : new, nodes: nodes, strategy: strategy)
        let statement = try fixture.fleet.statement(
            isRollBack ? .rollBack(body) : .upgrade(body),
            by: [name],
            seed: seed,
            lifetime: lifetime,
            issued: fixture.clock.now()
        )
        _ = try await client.send(statement, session: try await fixture.login(name))
        return statement.statement.id
    }

    func record(_ id: RolloutID) async throws -> RolloutRecord {
        try await client.rollout(id, session: try await fixture.login())
    }

    /// A node's part in a rollout.
    func part(_ node: TestNode, of id: RolloutID) async throws -> RolloutRecord.Node? {
        try await record(id).nodes.first { $0.id == node.id }
    }

    /// The rollouts that the node's newest manifest assigns.
    func assigned(_ node: TestNode) async throws -> [RolloutID] {
        guard let envelope = try await node.manifest() else { return [] }
        return try Self.manifest(envelope).assignments.map(\.rollout)
    }

    /// What a manifest says, whoever signed it.
    static func manifest(_ envelope: [UInt8]) throws -> UpdateManifest {
        let value = try JSONValue.parse(envelope, limit: UpdateManifest.byteLimit)
        return try UpdateManifest(try JSONFields(value).fields("signed"))
    }

    /// The node takes what its manifest assigns, installs it and confirms.
    func upgrade(_ node: TestNode, _ id: RolloutID, to version: String = "2.0") async throws {
        _ = try await node.manifest()
        try await node.report(version: "1.0", [node.progress(id, .installing, version: "1.0")])
        try await node.report(version: version, [node.progress(id, .confirmed, version: version)])
    }
}
