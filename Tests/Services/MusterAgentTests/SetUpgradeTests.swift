import AgentTestSupport
import Glibc
import MusterAgent
import MusterModel
import MusterSystem
import MusterTestSupport
import PackageInstaller
import Testing

/// Packages that change together: one node, real dpkg, sets of a server and a client.
@Suite struct SetUpgradeTests {
    @Test("a set is installed together, and goes back together when it fails its health check")
    func together() async throws {
        try await withNode { node in
            let first = try await Self.releaseAlone(node)
            let second = try await Self.release(node, "2.0", counter: 3)
            let bad = try await Self.release(node, "3.0", counter: 4, checks: ["/bin/false"])
            #expect(try await Self.outcome(node, first, "a") == .confirmed)
            #expect(try await Self.outcome(node, second, "b") == .confirmed)
            #expect(try await Self.versions(node) == ["2.0", "2.0"])
            #expect(try await Self.outcome(node, bad, "c") == .rolledBack)
            #expect(try await Self.versions(node) == ["2.0", "2.0"])
        }
    }

    @Test("when one package of a set fails, those that were changed already go back")
    func halfway() async throws {
        try await withNode { node in
            let first = try await Self.releaseAlone(node)
            // dpkg undoes the server's own upgrade; the client stays upgraded, and the server is what was asked for.
            let second = try await Self.release(node, "2.0", counter: 3, preinst: "[ \"$1\" != upgrade ] || exit 1")
            #expect(try await Self.outcome(node, first, "a") == .confirmed)
            #expect(try await Self.outcome(node, second, "b") == .rolledBack)
            #expect(try await Self.versions(node) == ["1.0", "1.0"])
        }
    }

    @Test("a set is refused, and nothing changed, where another version of a companion is installed")
    func otherCompanion() async throws {
        try await withNode { node in
            let first = try await Self.releaseAlone(node)
            let second = try await Self.release(node, "2.0", counter: 3)
            #expect(try await Self.outcome(node, first, "a") == .confirmed)
            let client = try OpenFile(
                try node.folder.write("client.deb", try await TestPackage("client", "1.5").build())
            )
            try await Self.installer(node).install(client)
            #expect(try await Self.outcome(node, second, "b") == .refused)
            #expect(try await Self.versions(node) == ["1.0", "1.5"])
        }
    }

    @Test("a set is refused where it is new, and where only one of its packages can go back")
    func noWayBack() async throws {
        try await withNode { node in
            let alone = try await node.release(TestPackage("server", "1.0"))
            let set = try await Self.release(node, "2.0", counter: 2)
            #expect(try await Self.outcome(node, set, "a") == .refused)
            #expect(try await node.installed("server") == .absent)
            #expect(try await Self.outcome(node, alone, "b") == .confirmed)
            #expect(try await Self.outcome(node, set, "c") == .refused)
            #expect(try await node.installed("server") == .installed(version: "1.0"))
            #expect(try await node.installed("client") == .absent)
        }
    }

    // MARK: Steps

    /// The first set, whose packages the machine has had from elsewhere.
    private static func releaseAlone(_ node: NodeFixture) async throws -> String {
        let path = try await release(node, "1.0", counter: 1)
        for name in ["server", "client"] {
            let package = TestPackage(name, "1.0")
            let file = try OpenFile(try node.folder.write(package.fileName, try await package.build()))
            try await installer(node).install(file)
        }
        return path
    }

    private static func release(
        _ node: NodeFixture,
        _ version: String,
        counter: Int64,
        preinst: String? = nil,
        checks: [String] = []
    ) async throws -> String {
        var server = TestPackage("server", version)
        server.scripts = preinst.map { ["preinst": $0] } ?? [:]
        let packages = [TestPackage("client", version), server]
        var files: [OpenFile] = []
        for package in packages.reversed() {
            let path = "\(version)/\(package.fileName)"
            files.append(try OpenFile(try node.folder.write(path, try await package.build())))
        }
        let set = try OpenFile(node.folder.file("\(version)/set.debs"), flags: O_RDWR | O_CREAT)
        try DebianSet.write(files, to: set)
        let path = "releases/server_\(version)_all.debs"
        let description = ReleaseDescription(
            package: "server",
            version: version,
            architecture: "all",
            counter: counter,
            security: false,
            released: node.fleet.time,
            healthChecks: checks.map { HealthCheck(probe: .command([$0])) },
            notes: ""
        )
        node.fleet.add(path, try BoundedFile.read(set.path, limit: 1 << 20), description)
        try node.fleet.publishReleases()
        try node.serve()
        return path
    }

    private static func outcome(_ node: NodeFixture, _ path: String, _ seed: String) async throws -> NodeProgress.State?
    {
        let rollout = try node.assign(path, seed: seed)
        _ = try await node.turn()
        return try node.outcome(rollout)?.state
    }

    private static func installer(_ node: NodeFixture) -> DpkgInstaller {
        DpkgInstaller(root: TestAgent.root(node.folder.path))
    }

    private static func versions(_ node: NodeFixture) async throws -> [String?] {
        let versions = try await installer(node).versions(of: ["server", "client"])
        return [versions["server"], versions["client"]]
    }
}
