import MusterAPI
import MusterModel
import MusterTestSupport
import Testing

@testable import MusterCommands

/// Which nodes a run is for, when the service says that a name means another node than it did.
@Suite
struct RunNodeNameTests {
    @Test("attack: a name that the service gives to another node starts nothing there")
    func exchangedNode() async throws {
        try await RunFixture.run { fixture in
            func ask(_ more: String..., on selector: String = "node:web-1") async -> Person.Outcome {
                await fixture.restartWeb(on: selector, more)
            }
            let first = await ask()
            #expect(first.errors.contains("  first seen: web-1 is node-web-1\n"), "\(first.all)")
            let second = await ask()
            #expect(second.status == 0 && !second.errors.contains("first seen"), "\(second.all)")
            let sent = try fixture.sent()

            try fixture.call("web-2", "web-1")
            let refused = await ask()
            #expect(refused.status == 1, "\(refused.all)")
            #expect(refused.errors.contains("'web-1' is node-web-2 now, but it was node-web-1. Either"))
            #expect(refused.errors.contains("if it is right: --accept-node web-1"), "\(refused.all)")
            for selector in ["name:web-1", "tag:web and node:web-1", "1 of (node:web-1 or node:web-3)"] {
                #expect(await ask(on: selector).status == 1, "\(selector)")
            }
            // Another name may be accepted in advance.
            #expect(await ask("--accept-node", "db1").status == 1)
            #expect(try fixture.sent() == sent)

            let accepted = await ask("--accept-node", "web-1")
            #expect(accepted.status == 0, "\(accepted.all)")
            #expect(try fixture.body(try fixture.sent()).nodes.map(\.text) == ["node-web-2"])
            #expect(await ask().status == 0)
        }
    }

    @Test("one machine that was enrolled anew stops no run that nobody chose it for by name; it is told until accepted")
    func enrolledAnew() async throws {
        try await RunFixture.run { fixture in
            func ask(_ more: String..., on selector: String = "tag:web") async -> Person.Outcome {
                await fixture.restartWeb(on: selector, more)
            }
            #expect(await ask("--accept-node", "web-3").status == 0)
            fixture.workshop.service.with { state in state.nodes.removeAll { $0.name == "web-3" } }
            try fixture.addNode("web-3", id: "node-web-anew")
            let selectors = ["tag:web", "* and not node:db1", "node:node-web-anew", "os=debian and tag:web"]
            for selector in selectors + ["name:web-*"] {
                // Told again and again.
                let told = await ask(on: selector)
                #expect(told.status == 0, "\(selector): \(told.all)")
                #expect(told.errors.contains("'web-3' is node-web-anew now, but it was node-web-3\n"), "\(told.all)")
                #expect(told.errors.contains("Either the machine was enrolled anew"), "\(told.all)")
                #expect(told.errors.contains("if it is right: --accept-node web-3;"), "\(told.all)")
                #expect(try fixture.body(try fixture.sent()).nodes.contains { $0.text == "node-web-anew" })
            }
            #expect(try KnownNodes(fixture.ada.folder).nodes["web-3"]?.text == "node-web-3")
            #expect(await ask(on: "node:web-3").status == 1)
            let without = await ask(on: "tag:web and not node:web-3")
            #expect(without.status == 0 && !without.errors.contains("but it was"), "\(without.all)")

            let accepted = await ask("--accept-node", "web-3", "--accept-node", "db1")
            #expect(accepted.status == 0 && !accepted.errors.contains("but it was"), "\(accepted.all)")
            #expect(await !ask().errors.contains("but it was"))
            #expect(await ask(on: "node:web-3").status == 0)
        }
    }

    @Test("attack: a node that somebody leaves out by its name does not come by another")
    func leftOut() async throws {
        try await RunFixture.run { fixture in
            func ask() async -> Person.Outcome { await fixture.restartWeb(on: "tag:web and not node:web-3") }
            #expect(await fixture.restartWeb(on: "tag:web").status == 0)
            #expect(await ask().status == 0)
            let sent = try fixture.sent()
            try fixture.call("web-3", "test-1")
            try fixture.addNode("web-3", id: "node-web-decoy")
            let refused = await ask()
            #expect(refused.status == 1 && refused.errors.contains("is called 'test-1' now"), "\(refused.all)")
            #expect(try fixture.sent() == sent)
        }
    }

    @Test("attack: a node that is left out by its name does not come since another one has that for its id")
    func decoy() async throws {
        try await RunFixture.run { fixture in
            try fixture.addNode("web-9", id: "web-3")
            func ask() async -> Person.Outcome { await fixture.restartWeb(on: "tag:web and not node:web-3") }
            let refused = await ask()
            #expect(refused.status == 1 && refused.errors.contains("the id of another one"), "\(refused.all)")
            #expect(fixture.workshop.service.with { $0.statements.isEmpty })
        }
    }

    @Test("the ids of nodes whose names meant others are shown, however many nodes there are")
    func idsOfChanged() async throws {
        try await RunFixture.run { fixture in
            for number in 4...12 { try fixture.addNode("web-\(number)", id: "node-web-\(number)") }
            func ask() async -> Person.Outcome { await fixture.restartWeb(on: "tag:web") }
            #expect(await !ask().errors.contains("  ids: "))
            fixture.workshop.service.with { state in state.nodes.removeAll { $0.name == "web-3" } }
            try fixture.addNode("web-3", id: "node-web-anew")
            let told = await ask()
            #expect(told.status == 0 && told.errors.contains("  ids: web-3 is node-web-anew\n"), "\(told.all)")
        }
    }

    @Test("attack: a known node said by another name, two of one name, or one called like an id, start nothing")
    func misnamed() async throws {
        try await RunFixture.run { fixture in
            func ask(_ more: String...) async -> Person.Outcome { await fixture.restartWeb(on: "tag:web", more) }
            #expect(await ask().status == 0)
            let sent = try fixture.sent()
            try fixture.call("web-3", "test-1")
            let renamed = await fixture.restartWeb(on: "node:test-1")
            #expect(renamed.status == 1, "\(renamed.all)")
            #expect(renamed.errors.contains("node-web-3 is called 'test-1' now, but it was 'web-3'"), "\(renamed.all)")
            try fixture.call("web-3", "node-0123456789abcdef")
            #expect(await ask().errors.contains("which is an id and no name"))
            try fixture.call("web-3", "web-2", keeping: true)
            #expect(await ask().errors.contains("calls two nodes 'web-2'"))
            #expect(try fixture.sent() == sent)
            try fixture.call("web-3", "test-1")
            let told = await ask()
            #expect(told.status == 0 && told.errors.contains("now, but it was 'web-3', and"), "\(told.all)")
            #expect(await ask("--accept-node", "test-1").status == 0)
            #expect(await !ask().errors.contains("but it was"))
        }
    }

    @Test("attack: an approver is told each time that a node is shown under the name of another, and its id")
    func approvedUnderAnotherName() async throws {
        try await RunFixture.run { fixture in
            let seen = try await fixture.waiting()
            #expect(await fixture.ben.muster("run", "approve", seen.statement.id.text, "--yes").status == 0)
            try fixture.call("web-3", "test-1")
            for _ in 0..<2 {
                let told = await fixture.ben.muster("run", "approve", seen.statement.id.text, "--yes")
                #expect(told.status == 0, "\(told.all)")
                #expect(told.errors.contains("node-web-3 is called 'test-1' now, but it was 'web-3'"))
                #expect(told.errors.contains("if it is right: --accept-node test-1;"), "\(told.all)")
                #expect(told.output.contains("test-1 is node-web-3"), "\(told.all)")
            }
            #expect(try KnownNodes(fixture.ben.folder).nodes["web-3"]?.text == "node-web-3")
        }
    }
}
