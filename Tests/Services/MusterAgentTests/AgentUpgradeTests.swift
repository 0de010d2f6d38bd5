import AgentTestSupport
import ByteCoding
import MusterAPI
import MusterAgent
import MusterModel
import MusterSystem
import MusterTestSupport
import PackageInstaller
import Testing

/// One node, real dpkg, everything that the service hands out made by hand.
@Suite struct AgentUpgradeTests {
    @Test("an upgrade and a roll-back by statement go through, and every step is reported in order")
    func upgrade() async throws {
        try await withNode { node in
            let first = try await node.release(TestPackage("probe", "1.0"))
            let second = try await node.release(TestPackage("probe", "2.0"))
            for (path, seed) in [(first, "a"), (second, "b")] {
                let rollout = try node.assign(path, seed: seed)
                #expect(try await node.turn() == nil)
                #expect(try node.outcome(rollout)?.state == .confirmed)
            }
            #expect(try node.content() == "2.0\n")
            let back = try node.assign(first, seed: "c", rollBack: true)
            #expect(try await node.turn() == nil)
            #expect(try node.outcome(back)?.state == .confirmed)
            #expect(try node.content() == "1.0\n")
            let reports = try TestAgent.service(node.folder.path).reports()
            #expect(reports.last?.packages == ["probe": "1.0"])
            let states = reports.compactMap { $0.progress.last { $0.rollout == back }?.state }
            #expect(states == [.installing, .confirming, .confirmed])
        }
    }

    @Test("a rollback attack: an older release is refused without a roll-back statement")
    func downgrade() async throws {
        try await withNode { node in
            let first = try await node.release(TestPackage("probe", "1.0"))
            let second = try await node.release(TestPackage("probe", "2.0"))
            try node.assign(second, seed: "a")
            #expect(try await node.turn() == nil)
            let rollout = try node.assign(first, seed: "b")
            _ = try await node.turn()
            #expect(try node.outcome(rollout)?.state == .refused)
            #expect(try node.outcome(rollout)?.reason.contains("older") == true)
            #expect(try await node.installed() == .installed(version: "2.0"))
        }
    }

    @Test("a replayed statement is refused: it is obeyed once, whatever manifest carries it")
    func replayedStatement() async throws {
        try await withNode { node in
            let first = try await node.release(TestPackage("probe", "1.0"))
            let second = try await node.release(TestPackage("probe", "2.0"))
            try node.assign(first, seed: "a")
            _ = try await node.turn()
            try node.assign(second, seed: "b")
            _ = try await node.turn()
            let statement = try node.fleet.statement(.rollBack(try node.fleet.upgrade(to: first)), seed: "c")
            try node.offer([node.fleet.assignment(first, statement)])
            _ = try await node.turn()
            #expect(try await node.installed() == .installed(version: "1.0"))
            let again = try node.fleet.statement(.upgrade(try node.fleet.upgrade(to: second)), seed: "d")
            try node.offer([node.fleet.assignment(second, again)])
            _ = try await node.turn()
            #expect(try await node.installed() == .installed(version: "2.0"))
            try node.offer([node.fleet.assignment(first, statement)])
            _ = try await node.turn()
            #expect(try await node.installed() == .installed(version: "2.0"))
        }
    }

    @Test("a replayed statement that found its file installed already does not undo the roll-back that came after it")
    func replayedWithoutWork() async throws {
        try await withNode { node in
            let first = try await node.release(TestPackage("probe", "1.0"))
            let second = try await node.release(TestPackage("probe", "2.0"))
            for (path, seed) in [(first, "a"), (second, "b"), (second, "idle")] {
                let rollout = try node.assign(path, seed: seed)
                #expect(try await node.turn() == nil)
                #expect(try node.outcome(rollout)?.state == .confirmed)
            }
            try node.assign(first, seed: "c", rollBack: true)
            #expect(try await node.turn() == nil)
            #expect(try node.content() == "1.0\n")
            try node.assign(second, seed: "idle")
            #expect(try await node.turn() == nil)
            #expect(try node.content() == "1.0\n")
        }
    }

    @Test("a replayed manifest, and one for another node or by another key, change nothing")
    func manifests() async throws {
        try await withNode { node in
            let path = try await node.release(TestPackage("probe", "1.0"))
            let statement = try node.fleet.statement(.upgrade(try node.fleet.upgrade(to: path)), seed: "a")
            let work = [node.fleet.assignment(path, statement)]
            let service = TestAgent.service(node.folder.path)
            let other = try #require(NodeID("node-2"))
            try service.offer(try node.fleet.manifest(for: other, sequence: 7, work), sequence: 7)
            #expect(try await node.turn()?.contains("node-2") == true)
            let thief = TestKey("thief")
            try service.offer(
                try node.fleet.manifest(for: TestAgent.node, sequence: 7, work, signedBy: thief),
                sequence: 7
            )
            #expect(try await node.turn()?.contains("refused") == true)
            #expect(try await node.installed() == .absent)
            try service.offer(try node.fleet.manifest(for: TestAgent.node, sequence: 7, work), sequence: 7)
            #expect(try await node.turn() == nil)
            try service.offer(try node.fleet.manifest(for: TestAgent.node, sequence: 7, work), sequence: 9)
            #expect(try await node.turn()?.contains("refused") == true)
        }
    }

    @Test("a re-tagged node: tags change by a signed statement only, and not back by an old one")
    func tags() async throws {
        try await withNode { node in
            func statement(
                _ tags: [MusterModel.Tag],
                _ seed: String,
                by signer: String,
                age: Int64
            ) throws -> SignedStatement {
                try node.fleet.statement(
                    .tagNode(TagNodeBody(node: TestAgent.node, tags: tags)),
                    by: [signer],
                    seed: seed,
                    issued: node.fleet.time.adding(seconds: -age)
                )
            }
            let (web, db) = (try NodeFixture.tag("web"), try NodeFixture.tag("db"))
            try node.offer([], tags: [try statement([db], "1", by: "eve", age: 20)])
            _ = try await node.turn()
            #expect(try await node.agent().state.memory.tags == [web])
            try node.offer([], tags: [try statement([db], "2", by: "ada", age: 20)])
            _ = try await node.turn()
            #expect(try await node.agent().state.memory.tags == [db])
            try node.offer([], tags: [try statement([web], "3", by: "ada", age: 30)])
            _ = try await node.turn()
            #expect(try await node.agent().state.memory.tags == [db])
        }
    }

    @Test(
        "wrong name, version or platform in a validly signed file is refused before anything is changed",
        arguments: [("other", "1.0", "all"), ("probe", "9.9", "all"), ("probe", "1.0", "amd64")]
    )
    func wrongIdentity(name: String, version: String, architecture: String) async throws {
        try await withNode { node in
            let path = try await node.release(TestPackage("probe", "1.0"), signedAs: (name, version, architecture))
            let rollout = try node.assign(path, seed: "a")
            _ = try await node.turn()
            #expect(try node.outcome(rollout)?.state == .refused)
            #expect(try await node.installed() == .absent)
        }
    }

    @Test("a corrupt package, validly signed, is refused with the reason")
    func corrupt() async throws {
        try await withNode { node in
            let built = try await TestPackage("probe", "1.0").build()
            let path = try await node.release(TestPackage("probe", "1.0"), bytes: Array(built.dropLast(40)))
            let rollout = try node.assign(path, seed: "a")
            _ = try await node.turn()
            #expect(try node.outcome(rollout)?.state == .refused)
            #expect(try node.outcome(rollout)?.reason.contains("refused") == true)
            #expect(try await node.installed() == .absent)
        }
    }

    @Test("a failing maintainer script puts the old version back and its words into the report")
    func failingScript() async throws {
        try await withNode { node in
            try node.assign(try await node.release(TestPackage("probe", "1.0")), seed: "a")
            _ = try await node.turn()
            var bad = TestPackage("probe", "2.0")
            bad.scripts = ["postinst": "echo the database is gone >&2; exit 1"]
            let rollout = try node.assign(try await node.release(bad), seed: "b")
            #expect(try await node.turn() == nil)
            let outcome = try #require(try node.outcome(rollout))
            #expect(outcome.state == .rolledBack)
            #expect(outcome.version == "1.0")
            #expect(outcome.reason.contains("the database is gone"))
            #expect(try await node.installed() == .installed(version: "1.0"))
        }
    }

    @Test("a script that fails before anything is unpacked leaves the old version, which is not reinstalled")
    func failingEarly() async throws {
        try await withNode { node in
            try node.assign(try await node.release(TestPackage("probe", "1.0")), seed: "a")
            _ = try await node.turn()
            var bad = TestPackage("probe", "2.0")
            bad.scripts = ["preinst": "echo not on this machine >&2; exit 1"]
            let rollout = try node.assign(try await node.release(bad), seed: "b")
            _ = try await node.turn()
            #expect(try node.outcome(rollout)?.state == .failed)
            #expect(try node.outcome(rollout)?.reason.contains("not on this machine") == true)
            #expect(try await node.installed() == .installed(version: "1.0"))
        }
    }

    @Test("a package manager that hangs is ended and the old version is put back")
    func hanging() async throws {
        try await withNode { node in
            try node.assign(try await node.release(TestPackage("probe", "1.0")), seed: "a")
            _ = try await node.turn()
            var bad = TestPackage("probe", "2.0")
            bad.scripts = ["postinst": "sleep 600"]
            let rollout = try node.assign(try await node.release(bad), seed: "b")
            var limits = DpkgInstaller.Limits()
            limits.run = .seconds(3)
            limits.grace = .seconds(1)
            let impatient = DpkgInstaller(root: TestAgent.root(node.folder.path), limits: limits)
            _ = try await node.agent(installer: impatient).agent.turn()
            #expect(try node.outcome(rollout)?.state == .rolledBack)
            #expect(try node.outcome(rollout)?.reason.contains("did not end in time") == true)
            #expect(try await node.installed() == .installed(version: "1.0"))
        }
    }

    @Test("a node that cannot reach the service after an upgrade puts the old version back by itself")
    func unconfirmed() async throws {
        try await withNode { node in
            try node.assign(try await node.release(TestPackage("probe", "1.0")), seed: "a")
            _ = try await node.turn()
            try node.assign(try await node.release(TestPackage("probe", "2.0")), seed: "b")
            let service = TestAgent.service(node.folder.path)
            try service.closeForReports()
            _ = try await node.turn()
            #expect(try await node.installed() == .installed(version: "1.0"))
            let progress = try await node.agent().state.memory.progress.last
            #expect(progress?.state == .rolledBack)
            #expect(progress?.reason.contains("the service was not reached") == true)
        }
    }

    @Test("a package that something else installed, and that no release holds, is not upgraded for want of a way back")
    func noWayBack() async throws {
        try await withNode { node in
            let bytes = try await TestPackage("probe", "0.5").build()
            let file = try OpenFile(try node.folder.write("foreign.deb", bytes))
            try await DpkgInstaller(root: TestAgent.root(node.folder.path)).install(file)
            let path = try await node.release(TestPackage("probe", "1.0"))
            let rollout = try node.assign(path, seed: "a")
            _ = try await node.turn()
            #expect(try node.outcome(rollout)?.state == .refused)
            #expect(try node.outcome(rollout)?.reason.contains("go back to") == true)
            try await node.release(TestPackage("probe", "0.5"), bytes: bytes)
            let next = try node.assign(path, seed: "b")
            _ = try await node.turn()
            #expect(try node.outcome(next)?.state == .confirmed)
            #expect(try await node.installed() == .installed(version: "1.0"))
        }
    }

    @Test("a service without the package makes the node fail, keep its version, and try again when asked again")
    func missingPackage() async throws {
        try await withNode { node in
            let path = try await node.release(TestPackage("probe", "1.0"))
            let statement = try node.fleet.statement(.upgrade(try node.fleet.upgrade(to: path)), seed: "a")
            let bytes = try #require(node.fleet.packages[path])
            let file = node.folder.file("repository/targets/" + FleetSimulator.hashed(path, bytes))
            try AtomicFile.remove(file)
            try node.offer([node.fleet.assignment(path, statement)])
            _ = try await node.turn()
            #expect(try node.outcome(statement.statement.id)?.state == .failed)
            try node.serve()
            try node.offer([node.fleet.assignment(path, statement)])
            _ = try await node.turn()
            #expect(try node.outcome(statement.statement.id)?.state == .confirmed)
        }
    }

    @Test("metadata that cannot be refreshed stops everything with a reason, and nothing wedges")
    func noMetadata() async throws {
        try await withNode { node in
            let path = try await node.release(TestPackage("probe", "1.0"))
            try node.assign(path, seed: "a")
            let timestamp = node.folder.file("repository/metadata/timestamp.json")
            let bytes = try BoundedFile.read(timestamp, limit: 1 << 20)
            try AtomicFile.write(Array("{}".utf8), to: timestamp)
            #expect(try await node.turn()?.contains("nothing is trusted now") == true)
            #expect(try await node.installed() == .absent)
            try AtomicFile.write(bytes, to: timestamp)
            #expect(try await node.turn() == nil)
            #expect(try await node.installed() == .installed(version: "1.0"))
        }
    }
}
