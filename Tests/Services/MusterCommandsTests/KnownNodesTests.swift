import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterSystem
import MusterTestSupport
import Testing

@testable import MusterCommands

/// Which node a name means to a person, and what is signed for it.
@Suite
struct KnownNodesTests {
    @Test("a name means one node and a node has one name in the fleet; for logins it has several")
    func judgements() throws {
        let (one, other) = (try NodeID(parsing: "node-1"), try NodeID(parsing: "node-2"))
        var known = KnownNodes()
        #expect(known.judge("web1", of: one) == .new)
        try known.note("web1", of: one)
        #expect(known.judge("web1", of: one) == .known)
        #expect(known.judge("web1", of: other) == .changed(from: one))
        #expect(known.judge("web2", of: one) == .renamed(from: "web1"))
        #expect(known.judge("web2", of: other) == .new)
        #expect(known.judge(host: "web1", of: one) == .known)
        #expect(known.judge(host: "web1", of: other) == .changed(from: one))
        #expect(known.judge(host: "web1.example.org", of: one) == .new)
        try known.note(host: "web1.example.org", of: one)
        try known.note(host: "100.64.0.1", of: one)
        #expect(known.judge(host: "100.64.0.1", of: one) == .known)
        #expect(known.judge("web1.example.org", of: other) == .changed(from: one))
        #expect(known.judge("web1", of: one) == .known)

        try known.note("web1", of: other)
        #expect(known.judge("web1", of: other) == .known && known.judge("web3", of: one) == .new)
        try known.note("web2", of: other)
        #expect(known.judge("web1", of: one) == .new && known.judge("web3", of: other) == .renamed(from: "web2"))
    }

    @Test("what is remembered is read again; a file that says something else is refused")
    func file() async throws {
        try await Workshop.run { workshop in
            let ada = try await workshop.person("ada")
            try Directory.create(ada.folder.path)
            var known = try KnownNodes(ada.folder)
            #expect(known == KnownNodes())
            try known.note("web1", of: try NodeID(parsing: "node-1"))
            try known.note(host: "web1.example.org", of: try NodeID(parsing: "node-1"))
            try known.write(ada.folder)
            #expect(try KnownNodes(ada.folder) == known)
            for text in ["", "[]", "{\"nodes\": []}", "{\"nodes\": {\"web1\": \"NO ID\"}}", "{\"hosts\": {\"a\": 1}}"] {
                try AtomicFile.write(Array(text.utf8), to: ada.folder.path + "/known-nodes.json")
                #expect(throws: (any Error).self) { try KnownNodes(ada.folder) }
            }
        }
    }

    @Test("whoever notes names waits for whoever else does, and nothing that was noted is lost")
    func oneAtATime() async throws {
        try await Workshop.run { workshop in
            let folder = try await workshop.person("ada").folder
            try Directory.create(folder.path)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<16 {
                    group.addTask {
                        let node = try NodeID(parsing: "node-\(number)")
                        // Four minutes.
                        try await KnownNodes.change(folder, attempts: 2400) { try $0.note("web\(number)", of: node) }
                    }
                }
                try await group.waitForAll()
            }
            let known = try KnownNodes(folder)
            #expect(known.nodes.count == 16)

            let held = try FileLock.acquire(folder.path + "/known-nodes.lock")
            let node = try NodeID(parsing: "node-late")
            await #expect(throws: CommandFailure.self) {
                try await KnownNodes.change(folder, attempts: 1) { try $0.note("late", of: node) }
            }
            withExtendedLifetime(held) {}
            #expect(try KnownNodes(folder) == known)
        }
    }

    private func node(_ name: String, _ id: String) throws -> NodeRecord {
        NodeRecord(
            id: try NodeID(parsing: id),
            name: name,
            tags: [],
            address: "100.64.0.1",
            enrolled: FakeService.time,
            lastSeen: nil,
            state: "new",
            report: nil,
            packages: []
        )
    }

    @Test("attack: tags are not signed for a node that the service slips in under another's name")
    func tag() async throws {
        try await Workshop.fleet { workshop, ada in
            func sent() -> [NodeID] {
                workshop.service.with { state in
                    state.statements.compactMap { statement -> NodeID? in
                        guard case .tagNode(let body) = statement.statement.body else { return nil }
                        return body.node
                    }
                }
            }
            let (honest, other) = (try node("web9", "node-web9"), try node("web9", "node-db"))
            workshop.service.with { $0.nodes = [honest] }
            let unasked = await ada.muster("node", "tag", "web9", "--set", "prod", "db")
            #expect(unasked.status == 2 && unasked.errors.contains("use --yes"), "\(unasked.all)")
            #expect(unasked.errors.hasPrefix("first seen: web9 is node-web9\n") && sent().isEmpty, "\(unasked.all)")
            let first = await ada.muster("node", "tag", "web9", "--yes", "--set", "prod", "db")
            #expect(first.status == 0 && first.output.hasPrefix("web9 (node-web9): "), "\(first.all)")
            let known = await ada.muster("node", "tag", "web9", "--none")
            #expect(known.status == 0 && known.errors == "web9 is node-web9\n", "\(known.all)")

            workshop.service.with { $0.nodes = [other] }
            for words in [["tag", "web9", "--yes", "--set", "prod"], ["remove", "web9", "--reason", "sold"]] {
                let refused = await ada.muster(["node"] + words)
                #expect(refused.status == 1, "\(refused.all)")
                #expect(refused.errors.contains("'web9' is node-db now, but it was node-web9"), "\(refused.all)")
            }
            let revoked = await ada.muster("ssh", "revoke", "--node", "web9", "--reason", "lost")
            #expect(revoked.status == 1 && revoked.errors.contains("but it was node-web9"), "\(revoked.all)")
            #expect(workshop.service.with { $0.statements.count } == 2)

            // An id is what is signed.
            #expect(await ada.muster("node", "tag", "node-db", "--none").status == 0)
            #expect(await ada.muster("node", "tag", "web9", "--accept-node", "web9", "--none").status == 0)
            #expect(await ada.muster("node", "tag", "web9", "--none").status == 0)
            #expect(sent().map(\.text) == ["node-web9", "node-web9", "node-db", "node-db", "node-db"])
        }
    }
}
