import ByteCoding
import Glibc
import Logging
import MusterAPI
import MusterAgent
import MusterClient
import MusterKeys
import MusterModel
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import Synchronization
import Testing

/// A node that has joined over HTTP: its sessions, and its trust when the disk was unkind.
@Suite(.timeLimit(.minutes(60))) struct RemoteNodeTests {
    private struct Joined {
        let fleet: FleetSimulator
        let service: LoopbackFleet
        let server: LoopbackServer
        let paths: AgentPaths
        let enrollment: Enrollment
        let client: MusterClient
    }

    /// Runs `body` with a node that was approved at once, in a fleet that `change` changed before.
    private static func withNode(
        _ change: (inout FleetSimulator) throws -> Void = { _ in },
        _ body: (Joined) async throws -> Void
    ) async throws {
        var changed = try FleetSimulator(time: WallClock.now())
        try change(&changed)
        let fleet = changed
        let folder = try TemporaryFolder()
        let service = LoopbackFleet(fleet) { request, _ in
            guard let node = NodeID(joiningWith: request.nodeKey) else { throw FleetSimulator.Failure.impossible }
            let body = EnrollBody(tags: [], proof: .nodeKey(request.nodeKey))
            return .enrolled(node: node, name: "web-1", statement: try fleet.statement(.enroll(body)))
        }
        try await LoopbackServer.run {
            service.answer($0)
        } _: { server in
            let client = try MusterClient(service: server.address)
            let paths = AgentPaths(folder.path + "/state")
            let result: Result<Void, any Error>
            do {
                let enroller = Enroller(paths: paths, client: client, clock: .system)
                let enrollment = try await enroller.enroll(fleet: fleet.fleet, name: "web-1") { _, _ in }
                try await body(
                    Joined(
                        fleet: fleet,
                        service: service,
                        server: server,
                        paths: paths,
                        enrollment: enrollment,
                        client: client
                    )
                )
                result = .success(())
            } catch {
                result = .failure(error)
            }
            await client.close()
            try result.get()
        }
    }

    private static func report() -> NodeReport {
        NodeReport(
            agentVersion: "1",
            osRelease: "",
            kernel: "",
            architecture: "amd64",
            bootID: "",
            uptimeSeconds: 1,
            packages: [:]
        )
    }

    private static func remote(_ node: Joined) throws -> RemoteFleetService {
        RemoteFleetService(
            client: node.client,
            enrollment: node.enrollment,
            keys: try NodeKeys(node.paths, logger: Logger(label: "test")),
            clock: .system,
            logger: Logger(label: "test")
        )
    }

    @Test("a session serves many calls; one that the service forgot is replaced, and the call is made again")
    func renewed() async throws {
        try await Self.withNode { node in
            let remote = try Self.remote(node)
            _ = try await remote.report(Self.report())
            _ = try await remote.report(Self.report())
            #expect(node.service.state.withLock { $0.sessions } == 1)
            node.service.state.withLock { $0.revoked = $0.sessions }
            _ = try await remote.report(Self.report())
            #expect(try await remote.manifest(after: 0, wait: 0) == nil)
            #expect(node.service.state.withLock { $0.sessions } == 2)
            #expect(node.service.state.withLock { $0.reports.count } == 3)
        }
    }

    @Test("a service that accepts no session is asked for one new session a call, not for ever")
    func neverAccepted() async throws {
        try await Self.withNode { node in
            node.service.state.withLock { $0.revoked = .max }
            let remote = try Self.remote(node)
            await #expect(throws: FleetServiceError.self) { try await remote.report(Self.report()) }
            #expect(node.service.state.withLock { $0.sessions } == 2)
            #expect(node.service.state.withLock { $0.reports.isEmpty })
        }
    }

    @Test(
        "the agent as it is in use looks after sshd, has its host key certified, and reports both",
        .enabled(if: SSHDFixture.obstacle == nil, "\(SSHDFixture.obstacle ?? "")")
    )
    func sshSide() async throws {
        let folder = try TemporaryFolder()
        let sshd = try await SSHDFixture(in: folder.file("sshd"))
        do {
            try await Self.withNode { fleet in
                try fleet.trustSSH()
                try fleet.publishPolicy()
            } _: { node in
                try await Self.once(node) { configuration in
                    configuration.ssh.isOn = true
                    configuration.ssh.configuration = sshd.configuration
                    configuration.ssh.principalsUser = "root"
                    configuration.ssh.log = "none"
                }
                let report = try #require(node.service.state.withLock { $0.reports.last?.ssh })
                #expect(report.problem == "")
                #expect(report.userAuthorities == [try FleetSimulator.userAuthority.ssh.fingerprint])
                #expect(report.hostCertificates.map(\.serial) == [41])
                #expect(report.krlVersion == 0)
            }
            // Without the owner's word a node with a package root of its own says nothing of sshd.
            try await Self.withNode { fleet in
                try fleet.trustSSH()
                try fleet.publishPolicy()
            } _: { node in
                try await Self.once(node)
                let reports = node.service.state.withLock { $0.reports }
                #expect(reports.count == 1 && reports.first?.ssh == nil)
            }
        } catch {
            await sshd.end()
            throw error
        }
        await sshd.end()
    }

    /// Starts the agent as it is in use, and does what there is to do.
    private static func once(_ node: Joined, _ change: (inout AgentConfiguration) -> Void = { _ in }) async throws {
        var configuration = AgentConfiguration()
        change(&configuration)
        configuration.root = Directory.parent(of: node.paths.folder) + "/root"
        try Directory.create(configuration.root)
        let logger = Logger(label: "test") { StreamLogHandler.standardError(label: $0) }
        var assembly = AgentAssembly(paths: node.paths, configuration: configuration, logger: logger)
        assembly.limits.wait = 0
        try await assembly.agent(node.enrollment, transport: node.client.transport).once()
    }

    @Test(
        "stored metadata that is damaged or gone is replaced, starting from the root that the fleet's id pins",
        arguments: ["empty", "garbage", "cut", "gone"]
    )
    func damaged(how: String) async throws {
        try await Self.withNode { node in
            try await Self.once(node)
            let names = try Directory.entries(node.paths.metadata)
            #expect(names.contains("root.json"))
            for name in names {
                let path = node.paths.metadata + "/" + name
                switch how {
                case "empty": try AtomicFile.write([], to: path)
                case "garbage": try AtomicFile.write([UInt8](repeating: 0xFF, count: 500), to: path)
                case "cut":
                    try AtomicFile.write(Array(try BoundedFile.read(path, limit: 1 << 20).dropLast(10)), to: path)
                default: try AtomicFile.remove(path)
                }
            }
            try await Self.once(node)
            #expect(node.service.state.withLock { $0.reports.map(\.timestampVersion) } == [1, 1])
        }
    }

    @Test("with the stored root damaged, a kept first root that is not the fleet's is not believed")
    func otherFirstRoot() async throws {
        try await Self.withNode { node in
            try await Self.once(node)
            try AtomicFile.write([], to: node.paths.metadata + "/root.json")
            var thief = try FleetSimulator(time: WallClock.now())
            thief.rootKeys = [TestKey("thief-1"), TestKey("thief-2"), TestKey("thief-3")]
            try thief.publish()
            let forged = try #require(thief.files["metadata/1.root.json"])
            try AtomicFile.write(forged, to: node.paths.firstRoot)
            let files = thief.files
            node.service.state.withLock { $0.files = files }
            try await Self.once(node)
            #expect(node.service.state.withLock { $0.reports.map(\.timestampVersion) } == [1, 0])
        }
    }
}
