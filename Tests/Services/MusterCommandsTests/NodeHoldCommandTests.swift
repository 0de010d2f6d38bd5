import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterTestSupport
import Testing

/// Holding nodes and pinning packages by the command line.
@Suite
struct NodeHoldCommandTests {
    private func fleet(_ body: (Workshop, Person) async throws -> Void) async throws {
        try await Workshop.fleet { workshop, ada in
            let node = NodeRecord(
                id: try #require(NodeID("db1")),
                name: "db1",
                tags: [],
                address: "100.64.0.1",
                enrolled: FakeService.time.adding(seconds: -86400),
                lastSeen: FakeService.time.adding(seconds: -30),
                state: "online",
                report: .bookworm(packages: ["hello": "1.0"]),
                packages: [
                    NodeRecord.Package(name: "hello", installed: "1.0", available: "1.0", target: "", security: false)
                ]
            )
            workshop.service.with { $0.nodes = [node] }
            try await body(workshop, ada)
        }
    }

    @Test("a hold has a reason, may end by itself, and everybody sees it until it is lifted")
    func hold() async throws {
        try await fleet { workshop, ada in
            let held = await ada.muster("node", "hold", "db1", "--reason", "month end", "--for", "2d")
            #expect(held.status == 0, "\(held.all)")
            #expect(held.output == "db1 held: by ada (now, 2 d left): month end\n", "\(held.output)")
            let until = workshop.service.with { $0.nodes.first?.hold?.until }
            #expect(until == FakeService.time.adding(seconds: 2 * 86400))
            #expect(await ada.muster("node", "list").output.contains("online, held by ada: month end"))
            let show = await ada.muster("node", "show", "db1").output
            #expect(show.contains("held" + String(repeating: " ", count: 10) + "by ada"), "\(show)")
            let free = await ada.muster("node", "unhold", "db1")
            #expect(free.output == "db1: rollouts may change every package of it\n", "\(free.all)")
            let without = await ada.muster("node", "hold", "db1")
            #expect(without.status != 0, "\(without.all)")
            let empty = await ada.muster("node", "hold", "db1", "--reason", " ")
            #expect(empty.status != 0 && workshop.service.with { $0.nodes.first?.hold } == nil)
        }
    }

    @Test("a pin names a package and perhaps its version; what the node itself pins is shown beside it")
    func pin() async throws {
        try await fleet { workshop, ada in
            let pinned = await ada.muster("node", "pin", "db1", "hello", "1.0", "--reason", "certified")
            #expect(pinned.status == 0, "\(pinned.all)")
            #expect(pinned.output == "db1 pinned: hello at 1.0 by ada: certified\n", "\(pinned.output)")
            #expect(await ada.muster("node", "list").output.contains("hello 1.0 (pinned)"))
            workshop.service.with {
                $0.nodes[0].pins.append(
                    PinRecord(package: "postgresql-15", version: nil, reason: "by hand", by: nil, since: nil)
                )
            }
            let show = await ada.muster("node", "show", "db1").output
            #expect(show.contains("postgresql-15 by its own configuration: by hand"), "\(show)")
            let unpinned = await ada.muster("node", "unpin", "db1", "hello", "--json")
            let record = try NodeRecord.parse(Array(unpinned.output.utf8))
            #expect(record.pins.map(\.package) == ["postgresql-15"])
        }
    }
}
