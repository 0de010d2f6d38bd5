import AgentTestSupport
import ByteCoding
import Glibc
import Logging
import MusterAPI
import MusterAgent
import MusterModel
import MusterSystem
import MusterTestSupport
import PackageInstaller
import Testing

/// Reached by a second node: on the loopback, where every address of 127.0.0.0/8 can be another machine.
@Suite(.timeLimit(.minutes(60))) struct SecondNodeTests {
    private static let logger = Logger(label: "test") { StreamLogHandler.standardError(label: $0) }

    /// An agent that wants a second node within so many seconds.
    private static func agent(_ node: NodeFixture, seconds: Int) async throws -> TestAgent {
        var configuration = AgentConfiguration()
        configuration.secondNodeSeconds = seconds
        let service = TestAgent.service(node.folder.path)
        let second = SecondNode(service: service, host: "127.0.0.1", port: 80, clock: .system, pause: 100)
        return try await TestAgent(
            node.folder.path,
            transport: node.transport,
            configuration: configuration,
            secondNode: second
        )
    }

    private static func visitor(from source: String = "127.0.0.3") -> Visitor {
        Visitor(networks: { ["127.0.0.2/8"] }, source: source, clock: .system, logger: logger)
    }

    private static func task(_ request: ReachRequest, nonce: [UInt8]? = nil) -> ReachTask {
        ReachTask(
            address: request.address,
            port: request.port,
            nonce: nonce ?? request.nonce,
            until: WallClock.now().adding(seconds: 120)
        )
    }

    /// Upgrades while `visit` does something with what the node asks for; nil is the last word of the node.
    private static func upgrade(
        _ node: NodeFixture,
        seconds: Int,
        _ visit: (ReachRequest) async throws -> Void
    ) async throws -> NodeProgress {
        let rollout = try node.assign(try await node.release(TestPackage("probe", "2.0")), seed: "second")
        let agent = try await agent(node, seconds: seconds)
        let turn = Task { await agent.agent.turn() }
        let service = TestAgent.service(node.folder.path)
        var request: ReachRequest?
        let deadline = MonotonicClock.milliseconds() + 120_000
        while request == nil, MonotonicClock.milliseconds() < deadline {
            try await Task.sleep(for: .milliseconds(20))
            request = try service.visitsAskedFor().first
        }
        try await visit(try #require(request))
        #expect(await turn.value == nil)
        return try #require(try node.outcome(rollout))
    }

    private static func withVersion(_ body: (NodeFixture) async throws -> Void) async throws {
        try await withNode { node in
            try node.assign(try await node.release(TestPackage("probe", "1.0")), seed: "first")
            #expect(try await node.turn() == nil)
            try await body(node)
        }
    }

    @Test("a version that a second node can reach is confirmed")
    func reached() async throws {
        try await Self.withVersion { node in
            let outcome = try await Self.upgrade(node, seconds: 120) { request in
                #expect(request.address == "127.0.0.1")
                await Self.visitor().visit([Self.task(request)])
            }
            #expect(outcome.state == .confirmed)
            #expect(try await node.installed() == .installed(version: "2.0"))
        }
    }

    @Test("where nobody comes, the previous version is put back, though the service was reached")
    func nobody() async throws {
        try await Self.withVersion { node in
            let outcome = try await Self.upgrade(node, seconds: 3) { _ in }
            #expect(outcome.state == .rolledBack)
            #expect(outcome.reason.hasPrefix("no second node came within 3 seconds"))
            #expect(outcome.reason.contains("no node is in contact that reaches others"))
            #expect(try await node.installed() == .installed(version: "1.0"))
        }
    }

    @Test("neither the service nor the node itself is a second node, and a wrong word counts for nobody")
    func wrongVisitors() async throws {
        try await Self.withVersion { node in
            let outcome = try await Self.upgrade(node, seconds: 5) { request in
                await Self.visitor(from: "127.0.0.1").visit([Self.task(request)])
                let wrong = [UInt8](repeating: 7, count: ReachTask.nonceLength)
                await Self.visitor().visit([Self.task(request, nonce: wrong)])
                try? await Visit.pay(
                    request.address,
                    port: UInt16(clamping: request.port),
                    line: Hex.encode(request.nonce),
                    from: "127.0.0.3",
                    timeout: .seconds(10)
                )
            }
            #expect(outcome.state == .rolledBack)
        }
    }

    @Test("a node visits who asks, once, by the line that it composes itself, and where its owner lets it")
    func visits() async throws {
        try await withNode { node in
            let listener = try VisitListener("127.0.0.1")
            let nonce = [UInt8](repeating: 0xAB, count: ReachTask.nonceLength)
            let task = ReachTask(
                address: "127.0.0.1",
                port: Int(listener.port),
                nonce: nonce,
                until: WallClock.now().adding(seconds: 120)
            )
            let line = "muster-reach " + String(repeating: "ab", count: ReachTask.nonceLength)
            async let came = listener.visitor(saying: line, within: .seconds(90)) { _ in true }
            try node.offer(reach: [task])
            let agent = try await TestAgent(
                node.folder.path,
                transport: node.transport,
                visitor: Self.visitor()
            )
            #expect(await agent.agent.turn() == nil)
            #expect(await came == "127.0.0.3")
        }
    }

    @Test(
        "a service that would have nodes connect elsewhere gets nothing of it",
        arguments: ["192.0.2.7", "10.0.0.1", "127.0.0.1", "::1", "localhost", "127.0.0.1/8", "", "100.64.0.0.1"]
    )
    func elsewhere(address: String) async throws {
        let listener = try VisitListener("127.0.0.1")
        let nonce = [UInt8](repeating: 1, count: ReachTask.nonceLength)
        let until = WallClock.now().adding(seconds: 120)
        let task = ReachTask(address: address, port: Int(listener.port), nonce: nonce, until: until)
        let visitor = Visitor(networks: { [] }, clock: .system, logger: Self.logger)
        await visitor.visit([task])
        let line = "muster-reach " + Hex.encode(nonce)
        #expect(await listener.visitor(saying: line, within: .milliseconds(200)) { _ in true } == nil)
    }

    @Test("guests who say nothing, or too much, do not keep the right one out")
    func rudeGuests() async throws {
        let listener = try VisitListener("127.0.0.1")
        async let came = listener.visitor(saying: "hello", within: .seconds(90)) { $0 != "127.0.0.9" }
        for line in ["hell", "hello there", "", String(repeating: "x", count: 4000)] {
            try await Visit.pay("127.0.0.1", port: listener.port, line: line, timeout: .seconds(30))
        }
        try await Visit.pay("127.0.0.1", port: listener.port, line: "hello", from: "127.0.0.9", timeout: .seconds(30))
        try await Visit.pay("127.0.0.1", port: listener.port, line: "hello", from: "127.0.0.4", timeout: .seconds(30))
        #expect(await came == "127.0.0.4")
    }
}
