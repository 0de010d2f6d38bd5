import CanonicalJSON
import MusterTestSupport
import Testing

/// The main job with the real musterd, muster, muster-agent and dpkg.
@Suite("The main job, end to end")
struct EndToEndUpgradeTests {
    private static let package = "muster-probe"
    private static let nodes = ["web-1", "web-2", "web-3", "web-4", "web-5"]

    @Test("a signed release reaches five nodes in three stages")
    func stagedRollout() async throws {
        try await FleetFixture.run { fleet in
            try await Self.release("1.0", fleet)
            try await fleet.addNodes(Self.nodes)
            let said = try await fleet.muster(Self.start("1.0", stages: "1,50%,100%") + ["--watch"])
            for node in Self.nodes {
                try await Self.expect("1.0", on: node, fleet)
            }
            let stages = said.split(separator: "\n").filter { $0.hasPrefix("stage ") && $0.contains(" complete") }
            #expect(stages.map { $0.prefix(12) } == ["stage 1 of 3", "stage 2 of 3", "stage 3 of 3"])
        }
    }

    @Test("a release that fails its health check is put back on the first node and goes no further")
    func badRelease() async throws {
        try await FleetFixture.run { fleet in
            try await Self.release("1.0", fleet)
            try await fleet.addNodes(Array(Self.nodes.prefix(3)))
            try await fleet.muster(Self.start("1.0", stages: "100%") + ["--watch"])
            try await Self.release("2.0", fleet, health: "/bin/sh -c 'echo no such luck; exit 1'")
            let said = try await fleet.muster(Self.start("2.0", stages: "1,100%") + ["--watch"], status: 1)
            #expect(said.contains("rollout halted: 1 node failed, 0 allowed"))
            #expect(said.contains("no such luck"))
            #expect(said.split(separator: "\n").count { $0.contains(" rolled-back") } == 1)
            for node in Self.nodes.prefix(3) {
                try await Self.expect("1.0", on: node, fleet)
            }
        }
    }

    @Test("a node that is offline holds up nobody, and gets its update when it returns")
    func offlineNode() async throws {
        try await FleetFixture.run { fleet in
            try await Self.release("1.0", fleet)
            try await fleet.addNodes(Array(Self.nodes.prefix(3)))
            await fleet.stopAgent("web-2")
            try await Task.sleep(for: .seconds(4))
            try await fleet.muster(Self.start("1.0", stages: "1,100%") + ["--start-deadline", "2s"])
            let rollout = try await Self.newestRollout(fleet)
            try await fleet.wait(for: rollout) { Self.states($0) == ["confirmed", "confirmed", "skipped"] }
            try await Self.expect("", on: "web-2", fleet)
            try await fleet.startAgent("web-2")
            try await fleet.wait(for: rollout) { $0["state"] == "complete" }
            try await Self.expect("1.0", on: "web-2", fleet)
        }
    }

    @Test("two of two release managers must sign, each on their own machine")
    func twoReleaseSigners() async throws {
        let options = ["--release-keys", "2", "--release-threshold", "2"]
        try await FleetFixture.run(operators: ["ada", "ben"], options: options, policy: Self.everything) { fleet in
            let keys = ["release-1.key", "release-2.key"].map { fleet.desk("ada") + "/keys/" + $0 }
            let file = try await fleet.build(TestPackage(Self.package, "1.0"))
            try await fleet.muster(["release", "add", file, "--release-key", keys[0]] + fleet.passphrase)
            #expect(try await !fleet.muster(["release", "list"]).contains(Self.package))
            let staged = fleet.desk("ada") + "/staged/releases-2.json"
            try await fleet.muster(["release", "publish", staged], status: 1)
            try await fleet.muster(["release", "sign", staged, "--release-key", keys[1]] + fleet.passphrase, as: "ben")
            try await fleet.muster(["release", "publish", staged])
            try await fleet.addNodes(["web-1"])
            try await fleet.muster(Self.start("1.0", stages: "100%") + ["--watch"])
            try await Self.expect("1.0", on: "web-1", fleet)
        }
    }

    @Test("an upgrade that needs approval waits for another operator, never for the one who asked")
    func approval() async throws {
        try await FleetFixture.run(operators: ["ada", "ben"], policy: Self.approved) { fleet in
            try await Self.release("1.0", fleet)
            try await fleet.addNodes(["web-1"])
            try await fleet.muster(Self.start("1.0", stages: "100%"))
            let rollout = try await Self.newestRollout(fleet)
            try await fleet.wait(for: rollout) { $0["state"] == "waiting-for-approval" }
            try await fleet.muster(["rollout", "approve", rollout, "--yes"], as: "ada", status: 1)
            try await Self.expect("", on: "web-1", fleet)
            try await fleet.muster(["rollout", "approve", rollout, "--yes"], as: "ben")
            try await fleet.wait(for: rollout) { $0["state"] == "complete" }
            try await Self.expect("1.0", on: "web-1", fleet)
        }
    }

    @Test("an agent that waits holds nothing of libarchive, and ends with status 0 when it is asked to")
    func agentAtRest() async throws {
        try await FleetFixture.run { fleet in
            try await Self.release("1.0", fleet)
            try await fleet.addNodes(["web-1"])
            try await fleet.muster(Self.start("1.0", stages: "100%") + ["--watch"])
            try await Self.expect("1.0", on: "web-1", fleet)
            let mapped = try await fleet.mappedFiles(ofAgent: "web-1")
            #expect(mapped.contains { $0.contains("libsodium") })
            for name in ["libarchive", "libxml2", "libicu"] {
                #expect(!mapped.contains { $0.contains(name) }, "\(name) is still loaded")
            }
            #expect(await fleet.stopAgent("web-1") == 0)
        }
    }

    // MARK: Steps

    private static func expect(_ version: String, on node: String, _ fleet: FleetFixture) async throws {
        let found = try await fleet.installed(package, on: node)
        #expect(found == version, "on \(node)")
    }

    private static func release(_ version: String, _ fleet: FleetFixture, health: String? = nil) async throws {
        let file = try await fleet.build(TestPackage(package, version))
        let check = health.map { ["--health-command", $0] } ?? []
        try await fleet.muster(["release", "add", file] + check + fleet.passphrase)
    }

    private static func start(_ version: String, stages: String) -> [String] {
        ["rollout", "start", package, version, "--on", "tag:web", "--stages", stages, "--bake", "0s", "--yes"]
    }

    private static func newestRollout(_ fleet: FleetFixture) async throws -> String {
        let list = try await fleet.json(["rollout", "list"])
        guard case .array(let rollouts)? = list["items"], case .string(let id)? = rollouts.first?["id"] else {
            throw RunningProgram.Failure("no rollout in \(list.prettyText)")
        }
        return id
    }

    private static func states(_ rollout: JSONValue) -> [String] {
        guard case .array(let nodes)? = rollout["nodes"] else { return [] }
        return nodes.compactMap { if case .string(let state)? = $0["state"] { state } else { nil } }.sorted()
    }

    // MARK: Policies

    @Sendable private static func everything(_ keys: [String]) -> String {
        people(keys) + """
            rules:
              - name: everything
                allow: [enroll, tag-node, extend-node, exempt-node, remove-node, upgrade, roll-back]
                who: [ada, ben]
                nodes: ["*"]
                tags: ["*"]

            """
    }

    @Sendable private static func approved(_ keys: [String]) -> String {
        people(keys) + """
            rules:
              - name: let nodes in
                allow: [enroll]
                who: [ada]
                nodes: ["*"]
                tags: ["*"]
              - name: upgrades with a second pair of eyes
                allow: [upgrade]
                who: [ada]
                nodes: ["*"]
                approvals:
                  count: 1
                  from: [ada, ben]

            """
    }

    private static func people(_ keys: [String]) -> String {
        """
        operators:
          ada:
            keys:
              - public_key: \(keys[0])
                expires: 2099-01-01T00:00:00Z
          ben:
            keys:
              - public_key: \(keys[1])
                expires: 2099-01-01T00:00:00Z

        """
    }
}
