import AgentTestSupport
import MusterAPI
import MusterAgent
import MusterModel
import MusterSystem
import MusterTestSupport
import PackageInstaller
import Testing

/// A node that takes rpms and tarballs the way it takes Debian packages: same statements, same journal, same way back.
@Suite struct AgentSourceTests {
    private func release(
        _ node: NodeFixture,
        _ format: PackageFormat,
        _ version: String,
        counter: Int64,
        failing: Bool = false,
        floor: String? = nil
    ) async throws -> String {
        let (fileName, bytes, whole): (String, [UInt8], String)
        switch format {
        case .deb:
            let package = TestPackage("probe", version)
            (fileName, bytes, whole) = (package.fileName, try await package.build(), version)
        case .rpm:
            let package = TestRPM("probe", version)
            (fileName, bytes, whole) = (package.fileName, try await package.build(), package.wholeVersion)
        case .tar:
            let package = TestTarball("probe", version)
            (fileName, bytes, whole) = (package.fileName, try await package.build(), version)
        }
        let check = HealthCheck(probe: .command(["/bin/false"]), timeoutSeconds: 60, attempts: 1)
        let description = ReleaseDescription(
            format: format.rawValue,
            package: "probe",
            version: whole,
            architecture: "all",
            counter: counter,
            security: false,
            released: node.fleet.time,
            healthChecks: failing ? [check] : [],
            notes: "",
            floor: floor
        )
        node.fleet.add("releases/\(fileName)", bytes, description)
        try node.fleet.publishReleases()
        try node.serve()
        return "releases/\(fileName)"
    }

    /// The version that the files themselves are of.
    private func content(_ node: NodeFixture, _ format: PackageFormat) throws -> String? {
        let path = format == .tar ? "opt/probe/current/version" : "usr/share/probe/version"
        let file = TestAgent.root(node.folder.path) + "/" + path
        return try BoundedFile.readIfPresent(file, limit: 100).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test("an upgrade, and the way back by statement", arguments: [PackageFormat.rpm, .tar])
    func upgrade(format: PackageFormat) async throws {
        try await withNode { node in
            let first = try await release(node, format, "1.0", counter: 1)
            let second = try await release(node, format, "2.0", counter: 2)
            for (path, seed, version) in [(first, "a", "1.0"), (second, "b", "2.0")] {
                let rollout = try node.assign(path, seed: seed)
                #expect(try await node.turn() == nil)
                let outcome = try node.outcome(rollout)
                #expect(outcome?.state == .confirmed, "\(outcome?.reason ?? "")")
                #expect(try content(node, format) == version + "\n")
            }
            let back = try node.assign(first, seed: "c", rollBack: true)
            #expect(try await node.turn() == nil)
            #expect(try node.outcome(back)?.state == .confirmed)
            #expect(try content(node, format) == "1.0\n")
            let reported = try TestAgent.service(node.folder.path).reports().last?.packages["probe"]
            #expect(reported == (format == .rpm ? "1.0-1" : "1.0"))
        }
    }

    @Test("a version that fails its health check is undone", arguments: [PackageFormat.rpm, .tar])
    func unhealthy(format: PackageFormat) async throws {
        try await withNode { node in
            try node.assign(try await release(node, format, "1.0", counter: 1), seed: "a")
            #expect(try await node.turn() == nil)
            let bad = try node.assign(try await release(node, format, "2.0", counter: 2, failing: true), seed: "b")
            #expect(try await node.turn() == nil)
            #expect(try node.outcome(bad)?.state == .rolledBack)
            #expect(try content(node, format) == "1.0\n")
        }
    }

    @Test("a first version that fails its health check is removed", arguments: [PackageFormat.rpm, .tar])
    func unhealthyFirst(format: PackageFormat) async throws {
        try await withNode { node in
            let bad = try node.assign(try await release(node, format, "2.0", counter: 1, failing: true), seed: "a")
            #expect(try await node.turn() == nil)
            #expect(try node.outcome(bad)?.state == .rolledBack)
            #expect(try content(node, format) == nil)
        }
    }

    @Test("a floor is not skipped, and passing through it opens the way", arguments: PackageFormat.allCases)
    func floor(format: PackageFormat) async throws {
        try await withNode { node in
            let first = try await release(node, format, "1.0", counter: 1)
            let middle = try await release(node, format, "2.0", counter: 2)
            let last = try await release(node, format, "3.0", counter: 3, floor: format == .rpm ? "2.0-1" : "2.0")
            try node.assign(first, seed: "a")
            #expect(try await node.turn() == nil)
            let early = try node.assign(last, seed: "b")
            #expect(try await node.turn() == nil)
            #expect(try node.outcome(early)?.state == .refused)
            #expect(try node.outcome(early)?.reason.contains("roll out 2.0") == true)
            #expect(try content(node, format) == "1.0\n")
            for (path, seed) in [(middle, "c"), (last, "d")] {
                let rollout = try node.assign(path, seed: seed)
                #expect(try await node.turn() == nil)
                #expect(try node.outcome(rollout)?.state == .confirmed)
            }
            #expect(try content(node, format) == "3.0\n")
        }
    }

    @Test("a file of another format than the signed one is refused")
    func otherFormat() async throws {
        try await withNode { node in
            let package = TestTarball("probe", "1.0")
            let description = ReleaseDescription(
                format: "rpm",
                package: "probe",
                version: "1.0",
                architecture: "all",
                counter: 1,
                security: false,
                released: node.fleet.time,
                healthChecks: [],
                notes: ""
            )
            node.fleet.add("releases/\(package.fileName)", try await package.build(), description)
            try node.fleet.publishReleases()
            try node.serve()
            let rollout = try node.assign("releases/\(package.fileName)", seed: "a")
            #expect(try await node.turn() == nil)
            #expect(try node.outcome(rollout)?.state == .refused)
            #expect(try node.outcome(rollout)?.reason.contains("format is tar") == true)
        }
    }
}
