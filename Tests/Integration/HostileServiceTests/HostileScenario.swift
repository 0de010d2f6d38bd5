import ByteCoding
import Glibc
import MusterAPI
import MusterModel
import MusterSystem
import MusterTestSupport
import Testing

/// One real agent with its own dpkg database, brought to version 1.0 of a package by an honest upgrade, and then at the
/// mercy of a service that holds all of its own keys.
struct HostileScenario: Sendable {
    static let package = "muster-probe"
    static let first = "releases/muster-probe_1.0_all.deb"
    static let second = "releases/muster-probe_2.0_all.deb"

    /// The service.
    let service: HostileService
    private let folder: TemporaryFolder
    private var root: String { folder.file("root") }

    /// Runs `attack` against a node that has the tags; afterwards the node must still have `version`.
    static func run(
        tags: [String] = ["web"],
        endsWith version: String = "1.0",
        _ attack: @Sendable (HostileScenario) async throws -> Void
    ) async throws {
        let folder = try TemporaryFolder()
        let service = try HostileService(fleet: try await fleet(), tags: tags, state: folder.file("state"))
        let answer: @Sendable (LoopbackServer.Request) async -> LoopbackServer.Reply = { await service.answer($0) }
        try await LoopbackServer.run(answer: answer) { server in
            let scenario = HostileScenario(service: service, folder: folder)
            let agent = try await scenario.start(server)
            do {
                try await scenario.upgradeHonestly()
                try await attack(scenario)
                let installed = try await scenario.installedVersion()
                #expect(installed == version, "the attack changed the node")
            } catch {
                await agent.end()
                Issue.record("agent's log:\n\(agent.output)")
                throw error
            }
            await agent.end()
        }
    }

    /// A fleet with versions 0.9, 1.0 and 2.0 of the package, in that order.
    private static func fleet() async throws -> FleetSimulator {
        var fleet = try FleetSimulator(time: WallClock.now().wholeSeconds.adding(seconds: -60))
        for (counter, version) in ["0.9", "1.0", "2.0"].enumerated() {
            fleet.add(
                "releases/muster-probe_\(version)_all.deb",
                try await TestPackage(package, version).build(),
                description(version, counter: Int64(counter) + 1, fleet.time)
            )
        }
        try fleet.publishReleases()
        return fleet
    }

    static func description(_ version: String, counter: Int64, _ time: UTCTime) -> ReleaseDescription {
        ReleaseDescription(
            package: package,
            version: version,
            architecture: "all",
            counter: counter,
            security: false,
            released: time,
            healthChecks: [],
            notes: ""
        )
    }

    // MARK: What an attacker does

    /// Sends a manifest with one assignment, signed by the real manifest key.
    func assign(_ statement: SignedStatement, _ path: String = second, sequence: Int64 = 100) async throws {
        let fleet = await service.fleet
        let manifest = try fleet.manifest(
            for: service.node,
            sequence: sequence,
            [fleet.assignment(path, statement)]
        )
        await service.send(sequence: sequence, manifest)
    }

    /// A validly signed statement that asks for version 2.0.
    func upgradeStatement(
        by signers: [String] = ["ada"],
        nodes: [NodeSelector] = [.every]
    ) async throws
        -> SignedStatement
    {
        let fleet = await service.fleet
        return try fleet.statement(
            .upgrade(try fleet.upgrade(to: Self.second, nodes: nodes)),
            by: signers,
            seed: "second"
        )
    }

    // MARK: What the node does

    /// Waits until the node says why it does not do what it was told; the reason must contain `words`.
    func expectRefusal(_ words: String, within seconds: Int = 120) async throws {
        var seen: Set<String> = []
        for _ in 0..<(seconds * 20) {
            for report in await service.reports {
                let reasons =
                    report.progress.filter { [.refused, .failed, .rolledBack].contains($0.state) }.map(\.reason)
                    + [report.hold]
                if reasons.contains(where: { $0.contains(words) }) { return }
                seen.formUnion(reasons.filter { !$0.isEmpty })
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw RunningProgram.Failure("no report refused with '\(words)'; reasons reported: \(seen.sorted())")
    }

    /// Waits until the node says that it could not do what it was told.
    func expectFailure(within seconds: Int = 120) async throws {
        for _ in 0..<(seconds * 20) {
            if await service.reports.contains(where: { report in
                !report.hold.isEmpty
                    || report.progress.contains { $0.state == .refused || $0.state == .failed || !$0.reason.isEmpty }
            }) {
                return
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw RunningProgram.Failure("no failure was reported")
    }

    /// Gives the node time to take in the last manifest: its next two reports must come first.
    func expectNoChange(within seconds: Int = 120) async throws {
        let before = await service.reports.count
        for _ in 0..<(seconds * 20) {
            if await service.reports.count >= before + 3 { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw RunningProgram.Failure("the node stopped reporting")
    }

    /// Waits until the node reports the version as confirmed.
    func expectConfirmed(_ version: String, within seconds: Int = 120) async throws {
        for _ in 0..<(seconds * 20) {
            if await service.reports.contains(where: {
                $0.progress.contains { $0.state == .confirmed && $0.version == version }
            }) {
                return
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw RunningProgram.Failure("version \(version) was never confirmed")
    }

    /// The version that dpkg itself says is installed.
    func installedVersion() async throws -> String {
        let result = try await Command(
            "/usr/bin/dpkg-query",
            [
                "--admindir", root + "/var/lib/dpkg", "--show", "--showformat", "${Version} ${db:Status-Status}",
                Self.package,
            ]
        ).run(timeout: .seconds(120))
        let words = result.outputText.split(separator: " ")
        guard words.count == 2, words[1] == "installed" else { return "" }
        let file = try BoundedFile.read(root + "/usr/share/\(Self.package)/version", limit: 64)
        #expect(String(decoding: file, as: UTF8.self) == words[0] + "\n", "the files are not those of the version")
        return String(words[0])
    }

    private func start(_ server: LoopbackServer) async throws -> RunningProgram {
        let program = try BuiltProgram("muster-agent").path
        try Directory.create(root, mode: 0o755)
        let token = try folder.write("token", Array((service.token.line + "\n").utf8))
        let state = ["--state-dir", folder.file("state")]
        let log = folder.file("agent.log")
        let status = try await RunningProgram.run(
            program,
            ["enroll", "--service", server.address, "--token-file", token, "--name", "probe"] + state,
            log: log
        )
        guard status == 0 else {
            throw RunningProgram.Failure("enroll exited \(status):\n" + (try Self.text(log)))
        }
        return try RunningProgram(program, ["serve", "--root", root] + state, log: log)
    }

    private func upgradeHonestly() async throws {
        let fleet = await service.fleet
        let statement = try fleet.statement(.upgrade(try fleet.upgrade(to: Self.first)), seed: "first")
        try await assign(statement, Self.first, sequence: 1)
        try await expectConfirmed("1.0")
    }

    private static func text(_ path: String) throws -> String {
        String(decoding: try BoundedFile.read(path, limit: 1 << 20), as: UTF8.self)
    }
}
