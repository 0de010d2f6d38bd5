import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterKeys
import MusterModel
import MusterSystem
import MusterTestSupport
import SignatureVerification
import TUF
import Testing

@testable import MusterServer

/// A service whose fleet has approved commands, and what tests do with it.
struct RunFleet {
    let fixture: ServerFixture
    /// The session of `ada`, who may do everything.
    let session: String

    var client: MusterClient { fixture.client }
    var fleet: FleetSimulator { fixture.fleet }

    /// Runs `body` with a new fleet whose policy has these rules and commands besides.
    static func run(
        rules: [JSONValue] = [],
        commands: [String: JSONValue] = [:],
        nodeKeyDays: Int64 = 90,
        outputDays: Int64 = 90,
        _ body: (RunFleet) async throws -> Void
    ) async throws {
        let directory = "/tmp/muster-run-test-" + Hex.encode(RandomBytes.make(8))
        defer { removeTree(directory) }
        func change(_ options: inout ServeOptions) {
            options.nodeKeyLifetime = nodeKeyDays * 86400
            options.keepRunOutputDays = outputDays
        }
        let simulator = try simulator(rules: rules, commands: commands)
        try await run(in: directory, as: simulator, isNew: true, options: change, body)
    }

    /// The same in a folder that may have been another's before.
    static func run(
        in directory: String,
        as simulator: FleetSimulator,
        isNew: Bool,
        options: (inout ServeOptions) -> Void = { _ in },
        _ body: (RunFleet) async throws -> Void
    ) async throws {
        try await ServerFixture.run(in: directory, withFleet: isNew, as: simulator, options: options) { fixture in
            try await body(RunFleet(fixture: fixture, session: fixture.login()))
        }
    }

    static func simulator(
        rules: [JSONValue] = [],
        commands: [String: JSONValue] = [:]
    ) throws -> FleetSimulator {
        var simulator = try FleetSimulator(time: WallClock.now())
        try simulator.allowRuns()
        for (name, definition) in commands { try simulator.define(name, definition) }
        for rule in rules { try simulator.allow(rule) }
        try simulator.publish()
        return simulator
    }

    /// A rule by which an operator runs `echo` on these nodes.
    static func echoes(_ who: String, _ nodes: String = "*", approvals: Int = 0, from: [String] = []) -> JSONValue {
        var rule: JSONObject = [
            "name": .string("\(who) echoes"), "allow": ["run"], "who": [.string(who)], "nodes": [.string(nodes)],
            "commands": ["echo"],
        ]
        if approvals > 0 {
            rule["approvals"] = [
                "count": .integer(Int64(approvals)), "from": .array(from.map { .string($0) }),
            ]
        }
        return .object(rule)
    }

    /// Nodes with these names that have joined.
    func nodes(_ names: [String], tags: [String] = ["web"]) async throws -> [TestNode] {
        let secret = try await fixture.token(uses: names.count, tags: tags, seed: names.joined(), by: session)
        var nodes: [TestNode] = []
        for name in names { nodes.append(try await fixture.node(name, secret: secret)) }
        return nodes
    }

    /// Asks for a run; returns its statement.
    @discardableResult
    func ask(
        _ body: RunBody,
        by signers: [String] = ["ada"],
        seed: String = Hex.encode(RandomBytes.make(8)),
        lifetime: Int64 = 3600
    ) async throws -> SignedStatement {
        let statement = try fleet.statement(
            .run(body),
            by: signers,
            seed: seed,
            lifetime: lifetime,
            issued: fixture.clock.now()
        )
        _ = try await client.send(statement, session: try await fixture.login(signers[0]))
        return statement
    }

    /// `restart-web` of nginx on nodes.
    func restart(
        _ nodes: [TestNode],
        fanOut: RunBody.FanOut = .wide,
        notBefore: UTCTime? = nil
    ) throws -> RunBody {
        var body = try fleet.run("restart-web", ["unit": ["nginx"]], on: nodes.map(\.id), notBefore: notBefore)
        body.fanOut = fanOut
        return body
    }

    /// The signature of an operator under a statement.
    func signature(_ statement: SignedStatement, by name: String) throws -> [UInt8] {
        try FleetSimulator.operatorKey(name).sshSignature(
            of: statement.signedBytes,
            namespace: statement.statement.type.namespace
        )
    }

    /// A run with its nodes.
    func record(_ id: RunID) async throws -> RunRecord { try await client.run(id, session: try await fixture.login()) }

    /// The state of each node of a run, by its name.
    func states(_ id: RunID) async throws -> [String: RunRecord.NodeState] {
        let nodes = try await record(id).nodes
        return Dictionary(uniqueKeysWithValues: nodes.map { ($0.name, $0.state) })
    }

    /// The newest manifest of a node; nil where there is none after `sequence`.
    func manifest(_ node: TestNode, after sequence: Int64 = 0, wait: Int = 0) async throws -> UpdateManifest? {
        guard let bytes = try await node.manifest(after: sequence, wait: wait) else { return nil }
        let envelope = try SignedEnvelope(parsing: bytes, limit: UpdateManifest.byteLimit)
        // Written as one would write it whole, and signed so.
        let signature = try #require(envelope.signatures.first)
        let whole = try SignedEnvelope(signed: envelope.signed).adding(signature)
        #expect(whole.bytes == bytes && envelope.signatures.count == 1)
        let key = fleet.manifestKey.publicKey
        #expect(Ed25519.verify(signature: signature.signature, message: whole.canonicalBytes, publicKey: key))
        return try UpdateManifest(try JSONFields(envelope.signed))
    }

    /// What a node says of a run.
    @discardableResult
    func say(
        _ state: RunState,
        _ run: RunID,
        _ node: TestNode,
        exit status: Int32? = nil,
        reason: String = "",
        offset: Int64 = 0,
        _ output: [RunUpdate.Piece] = []
    ) async throws -> RunUpdateReply {
        let result = status.map {
            RunResult(ending: .exited($0), outputBytes: offset, started: fixture.clock.now(), milliseconds: 5)
        }
        let update = RunUpdate(
            state: state,
            at: fixture.clock.now(),
            reason: reason,
            offset: offset,
            output: output,
            result: result
        )
        return try await client.update(run, update, session: node.session)
    }

    static func piece(_ text: String, _ stream: RunStream = .output) -> RunUpdate.Piece {
        RunUpdate.Piece(stream: stream, milliseconds: 1, data: Array(text.utf8))
    }

    /// All output of a run as one text, as it came.
    func output(_ id: RunID, node: NodeID? = nil) async throws -> String {
        let output = try await client.runOutput(id, node: node, session: try await fixture.login())
        return String(decoding: output.chunks.flatMap(\.piece.data), as: UTF8.self)
    }

    /// Types of every event that names the run, in order.
    func events(_ id: RunID) async throws -> [String] {
        try await client.events(after: 0, wait: 0, session: try await fixture.login())
            .filter { $0.detail["run"] == .string(id.text) }.map(\.type)
    }
}
