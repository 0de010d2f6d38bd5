import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterTestSupport
import Testing

@testable import MusterCommands

/// Groups, limits and figures on the command line, and what people read of holds and skips.
@Suite
struct RolloutSpreadTests {
    @Test("groups, tag limits and figures are read as they are written, and nonsense is refused")
    func arguments() throws {
        let group = try #require(GroupArgument(argument: "test=tag:test,node:web1")?.group)
        #expect(group.name == "test")
        #expect(group.nodes.map(\.description) == ["tag:test", "node:web1"])
        for text in ["test", "=tag:test", "test=", "test=web", "test=tag:a,,tag:b"] {
            #expect(GroupArgument(argument: text) == nil, "\(text)")
        }
        let limit = try #require(TagLimitArgument(argument: "tag:db=2"))
        #expect(limit.tag.text == "db" && limit.most == 2)
        for text in ["db", "db=0", "db=x", "=1"] { #expect(TagLimitArgument(argument: text) == nil, "\(text)") }
        let metric = try #require(MetricArgument(argument: "requests:lower:30%:7")?.metric)
        #expect(metric == RolloutStrategy.Metric(name: "requests", worse: .lower, percent: 30, least: 7))
        #expect(MetricArgument(argument: "p99")?.metric == RolloutStrategy.Metric(name: "p99"))
        for text in ["", "p99:worse", "p99:higher:x", "p99:higher:20:0", "p99:higher:20:5:1"] {
            #expect(MetricArgument(argument: text) == nil, "\(text)")
        }
    }

    @Test("attack: a selector of all nodes behind many of single ones is read first, in groups too")
    func hiddenSelector() throws {
        let web = NodeSelector.tag(try #require(Tag("web")))
        let single = try (0..<9).map { NodeSelector.node(try #require(NodeID("n\($0)"))) }
        var strategy = RolloutStrategy()
        strategy.groups = [RolloutStrategy.Group(name: "test", nodes: single + [web])]
        func first(_ nodes: [NodeSelector]) -> String? {
            let body = UpgradeBody(package: "hello", version: "2.0", targets: [], nodes: nodes, strategy: strategy)
            let lines = RolloutWords.lines(of: body, isRollBack: false).map(\.plain)
            let group = "groups test (tag:web, node:n0, node:n1, node:n2 and 6 more), then "
            #expect(lines.contains { $0.contains(group) }, "\(lines)")
            return lines.first
        }
        let hidden = "*, tag:web, node:n0, node:n1, node:n2, node:n3, node:n4, node:n5 and 3 more"
        #expect(first(single + [web, .every]) == "upgrade hello to 2.0 on \(hidden)")
        #expect(first(Array(single.prefix(2))) == "upgrade hello to 2.0 on node:n0, node:n1")
        let tags = try (0..<12).map { NodeSelector.tag(try #require(Tag("t\($0)"))) }
        let all = tags.map(\.description).joined(separator: ", ")
        #expect(first(single + tags) == "upgrade hello to 2.0 on \(all) and 9 more", "tags are never left out")
    }

    @Test("what is signed says how it spreads, and everybody reads it before")
    func start() async throws {
        try await Workshop.fleet { workshop, ada in
            #expect(await ada.signs("release", "add", try await workshop.package("hello", "1.0")).status == 0)
            let outcome = await ada.muster([
                "rollout", "start", "hello", "--group", "test=tag:test", "--group", "web=tag:web", "--tag-limit",
                "db=1", "--metric", "p99:higher:25:3", "--max-failure-percent", "2", "--safety-in-flight", "2", "--yes",
            ])
            #expect(outcome.status == 0, "\(outcome.all)")
            let groups = "groups test (tag:test), then web (tag:web), then the safety group of all others, 2 at once"
            #expect(outcome.output.contains(groups), "\(outcome.output)")
            #expect(outcome.output.contains("never more at once than 1 of tag:db"))
            #expect(outcome.output.contains("halts when p99 is 25% higher on 3 or more upgraded nodes"))
            let sent = try #require(workshop.service.with { $0.statements.last })
            let strategy = try #require(sent.statement.body.packageChange?.strategy)
            #expect(strategy.groups.map(\.name) == ["test", "web"])
            #expect(strategy.tagInFlight == [try #require(Tag("db")): 1])
            #expect(strategy.maxFailurePercent == 2 && strategy.safetyInFlight == 2)
            let twice = await ada.muster(["rollout", "start", "hello", "--metric", "a", "--metric", "a", "--yes"])
            #expect(twice.status != 0)
        }
    }

    @Test("a hold and every reason for which nodes are passed by are told, those of one reason together")
    func display() throws {
        func record(_ hold: RolloutRecord.Hold?, revision: Int64) throws -> RolloutRecord {
            let simulator = try FleetSimulator(time: FakeService.time)
            let body = UpgradeBody(
                package: "hello",
                version: "2.0",
                targets: [
                    UpgradeBody.Target(path: "releases/x.deb", length: 1, sha256: [UInt8](repeating: 0, count: 32))
                ],
                nodes: [.every],
                strategy: RolloutStrategy()
            )
            let signed = try simulator.statement(.upgrade(body))
            let nodes = try ["a", "b", "c", "d", "e"].map { name in
                RolloutRecord.Node(
                    id: try #require(NodeID(name)),
                    name: name,
                    stage: 0,
                    state: "skipped",
                    version: "1.0",
                    reason: name == "e" ? "held by ada: month end" : "never in contact"
                )
            }
            return RolloutRecord(
                id: signed.statement.id,
                state: "running",
                reason: "",
                revision: revision,
                started: FakeService.time,
                statement: signed,
                signers: [],
                missing: "",
                stages: [],
                nodes: nodes,
                hold: hold
            )
        }
        let hold = RolloutRecord.Hold(reason: "outside its hours", until: FakeService.time)
        let held = try record(hold, revision: 1)
        #expect(try RolloutRecord.parse(held.json.canonicalBytes) == held)
        let display = RolloutDisplay(now: FakeService.time, columns: 200)
        let screen = display.screen(held).map(\.plain)
        #expect(screen[0].contains("running, holds until \(FakeService.time): outside its hours"), "\(screen)")
        #expect(screen.contains("  a, b, c and 1 more skipped: never in contact"), "\(screen)")
        #expect(screen.contains("  e skipped: held by ada: month end"), "\(screen)")
        #expect(display.changes(from: nil, to: held).contains("holds until \(FakeService.time): outside its hours"))
        #expect(display.changes(from: held, to: try record(nil, revision: 2)) == ["goes on"])
    }
}
