import CanonicalJSON
import MusterStore
import MusterSystem
import MusterTestSupport
import Testing

/// The life of node keys with nothing but the programs themselves: musterd, muster and muster-agent.
///
/// Time passes by aging the register while musterd does not run.
@Suite("The life of node keys with real processes", .timeLimit(.minutes(60)))
struct KeyLifecycleProcessTests {
    private static let hour: Int64 = 3_600_000
    /// Keys live one day: the shortest life there is.
    private static var placement: FleetPlacement {
        var placement = FleetPlacement()
        placement.serviceOptions += ["--node-key-days", "1"]
        return placement
    }

    /// Lets the keys of every node be older.
    private static func age(_ fleet: FleetFixture, hours: Int64) async throws {
        let path = fleet.folder.file("service/muster.db")
        try await fleet.restartService {
            let driver = try SQLiteDriver(path: path)
            _ = try await driver.write {
                try $0.run(
                    "UPDATE nodes SET key_since = key_since - $1, key_expires = key_expires - $1",
                    [.integer(hours * hour)]
                )
            }
            try driver.close()
        }
    }

    private static func keyState(_ fleet: FleetFixture, _ name: String) async throws -> String? {
        try await fleet.json(["node", "show", name])["key"]?["state"]?.text
    }

    /// Waits until a node's record is as it should be.
    private static func wait(
        _ fleet: FleetFixture,
        _ name: String,
        _ what: String,
        until isReached: (JSONValue) -> Bool
    ) async throws {
        var last: JSONValue = .null
        for _ in 0..<240 {
            last = try await fleet.json(["node", "show", name])
            if isReached(last) { return }
            try await Task.sleep(for: .milliseconds(500))
        }
        throw RunningProgram.Failure("\(name) did not become \(what):\n\(last.prettyText)")
    }

    private static func eventTypes(_ fleet: FleetFixture) async throws -> [String] {
        try await fleet.muster(["events"]).split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            return words.count > 2 ? String(words[2]) : nil
        }
    }

    @Test("a key that is due is replaced behind the scenes, while the agent serves, and nobody has to do anything")
    func rotation() async throws {
        try await FleetFixture.run(placement: Self.placement) { fleet in
            try await fleet.addNodes(["web-1"])
            let path = fleet.folder.file("nodes/web-1/state/node.key")
            let old = try BoundedFile.read(path, limit: 100)
            try await Self.age(fleet, hours: 19)
            try await Self.wait(fleet, "web-1", "current again") { $0["key"]?["state"]?.text == "current" }
            let new = try BoundedFile.read(path, limit: 100)
            #expect(new != old)
            #expect(!Directory.exists(path + ".next"))
            #expect(try await Self.eventTypes(fleet).count { $0 == "node-key-rotated" } == 1)
        }
    }

    @Test(
        "expired, a node waits; extended by one command, it replaces its key by itself and catches up with its rollout"
    )
    func expiryAndExtension() async throws {
        try await FleetFixture.run(placement: Self.placement) { fleet in
            try await fleet.muster(
                ["release", "add", try await fleet.build(TestPackage("probe", "1.0"))] + fleet.passphrase
            )
            try await fleet.addNodes(["web-1", "web-2"])
            await fleet.stopAgent("web-1")
            try await Self.age(fleet, hours: 25)
            // The other node's key expired as well: nobody was up to replace it.
            try await fleet.startAgent("web-1")
            for name in ["web-1", "web-2"] {
                try await Self.wait(fleet, name, "expired") { $0["state"]?.text == "key-expired" }
            }
            for _ in 0..<240 where try await !fleet.agent("web-1", ["status"]).contains("this node's key expired") {
                try await Task.sleep(for: .milliseconds(500))
            }
            #expect(try await fleet.agent("web-1", ["status"]).contains("muster node extend"))

            try await fleet.muster(["rollout", "start", "probe", "1.0", "--on", "tag:web", "--yes"])
            let rollout = try #require(try await fleet.json(["rollout", "list"])["items"]?.elements.first?["id"]?.text)
            let shown = try await fleet.json(["rollout", "show", rollout])
            for node in shown["nodes"]?.elements ?? [] {
                #expect(node["state"]?.text == "skipped")
                #expect(node["reason"]?.text?.contains("its node key expired") == true)
            }
            let said = try await fleet.muster(["node", "extend", "web-1", "--reason", "repairing it"])
            #expect(said.contains("web-1 may act until"), "\(said)")
            try await Self.wait(fleet, "web-1", "current") { $0["key"]?["state"]?.text == "current" }
            for _ in 0..<240 where try await fleet.installed("probe", on: "web-1") != "1.0" {
                try await Task.sleep(for: .milliseconds(500))
            }
            #expect(try await fleet.installed("probe", on: "web-1") == "1.0")
            #expect(try await fleet.installed("probe", on: "web-2") == "")
            #expect(try await Self.keyState(fleet, "web-2") == "expired")
        }
    }

    @Test("exempted by one command a node works on past its expiry; removed by one command it is out, and says why")
    func exemptionAndRemoval() async throws {
        try await FleetFixture.run(placement: Self.placement) { fleet in
            try await fleet.addNodes(["db-1"], tag: "database")
            let said = try await fleet.muster(["node", "exempt", "db-1", "--reason", "never reachable in winter"])
            #expect(said.contains("db-1: its key does not expire any more"), "\(said)")
            await fleet.stopAgent("db-1")
            try await Self.age(fleet, hours: 300)
            #expect(try await Self.keyState(fleet, "db-1") == "exempt")
            try await fleet.startAgent("db-1")
            try await Self.wait(fleet, "db-1", "online") { $0["state"]?.text == "online" }
            let refused = try await fleet.muster(["node", "extend", "db-1", "--reason", "x"], status: 1)
            #expect(!refused.contains("may act until"))

            try await fleet.muster(["node", "remove", "db-1", "--reason", "sold"])
            for _ in 0..<240 where try await !fleet.agent("db-1", ["status"]).contains("was removed: sold") {
                try await Task.sleep(for: .milliseconds(500))
            }
            #expect(try await fleet.agent("db-1", ["status"]).contains("was removed: sold"))
            #expect(try await fleet.json(["node", "list"])["items"]?.elements.isEmpty == true)
            let types = try await Self.eventTypes(fleet)
            #expect(types.contains("node-exempted") && types.contains("node-removed"))
        }
    }

    @Test("no key lives for ever: musterd refuses other lives than 1 to 365 days", arguments: ["0", "366", "-1", "x"])
    func lives(days: String) async throws {
        let folder = try TemporaryFolder()
        let status = try await RunningProgram.run(
            try BuiltProgram("musterd").path,
            ["serve", "--state-dir", folder.file("state"), "--node-key-days=\(days)"],
            log: folder.file("log"),
            timeout: .seconds(60)
        )
        #expect(status == 64)
        #expect(!Directory.exists(folder.file("state")))
    }
}
