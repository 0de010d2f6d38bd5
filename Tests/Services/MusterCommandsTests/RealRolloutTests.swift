import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterCommands
import MusterModel
import MusterSystem
import MusterTestSupport
import Testing

/// The course of rollouts, by two operators against the real fleet service.
@Suite
struct RealRolloutTests {
    @Test("one operator starts, another approves, both steer, and a roll-back is a rollout of its own")
    func course() async throws {
        try await Workshop.real { workshop in
            let ada = try await workshop.person("ada")
            try await ada.makesFleet([])
            let ben = try await workshop.person("ben")
            try await ben.joins(takingFrom: ada, key: "root-1.key")
            try await needsApproval(ada, ben)
            for version in ["1.0", "1.1"] {
                let package = try await workshop.package("hello", version, architecture: "amd64")
                let added = await ada.signs("release", "add", package)
                #expect(added.status == 0, "\(added.all)")
            }
            let (client, session) = try await node(workshop, ada)

            let started = await ada.muster("rollout", "start", "hello", "--yes")
            #expect(started.status == 0, "\(started.all)")
            #expect(started.output.contains(": waiting"))
            let id = try await newest(ada)
            let own = await ada.muster("rollout", "approve", id, "--yes")
            #expect(own.status == 1, "a requester is no approver: \(own.all)")
            #expect(try await state(ada, id) == "waiting-for-approval")
            let approved = await ben.muster("rollout", "approve", id, "--yes")
            #expect(approved.status == 0, "\(approved.all)")
            #expect(approved.output.contains("running"))
            #expect(try await client.manifest(after: 0, wait: 0, session: session) != nil)

            let halted = await ben.muster("rollout", "halt", id, "--reason", "the site is slow")
            #expect(halted.status == 0, "\(halted.all)")
            #expect(halted.output.contains("halted: the site is slow"))
            let resumed = await ada.muster("rollout", "resume", id)
            #expect(resumed.status == 0, "\(resumed.all)")
            #expect(resumed.output.contains("running"))

            let back = await ada.muster("rollout", "roll-back", id, "--yes")
            #expect(back.status == 0, "\(back.all)")
            #expect(
                back.output.contains("hello 1.1 goes back to 1.0: the version that 1 node had before"),
                "\(back.all)"
            )
            #expect(back.output.contains("roll back hello to 1.0"))
            let second = try await newest(ada)
            #expect(second != id)
            let list = await ben.muster("rollout", "list")
            #expect(list.output.contains("hello back to 1.0"), "\(list.all)")

            #expect(try await state(ben, id) == "cancelled", "a roll-back ends the rollout that it undoes")

            #expect(try await state(ben, second) == "running", "who was handed the bad version has to answer")
            let undone = await ben.muster("rollout", "cancel", second, "--reason", "done by hand")
            #expect(undone.status == 0, "\(undone.all)")
            let third = await ada.muster("rollout", "start", "hello", "--yes")
            #expect(third.status == 0, "\(third.all)")
            let last = try await newest(ada)
            let cancelled = await ben.muster("rollout", "cancel", last, "--reason", "not needed")
            #expect(cancelled.status == 0, "\(cancelled.all)")
            #expect(cancelled.output.contains("cancelled: not needed"))
            let again = await ada.muster("rollout", "resume", last)
            #expect(again.status == 1, "\(again.all)")
            await client.close()
        }
    }

    /// Publishes a policy by which upgrades of ada or ben need the other's approval, and roll-backs do not.
    private func needsApproval(_ ada: Person, _ ben: Person) async throws {
        let file = ada.folder.path + "/fleet-policy.yaml"
        let key = try BoundedFile.read(ben.home + "/.ssh/id_ed25519.pub", limit: 4096)
        let words = String(decoding: key, as: UTF8.self).split(separator: " ").prefix(2).joined(separator: " ")
        let expires = WallClock.now().adding(seconds: 86400).wholeSeconds
        let rule = """
              - name: upgrades need a second person
                allow: [upgrade]
                who: ["group:owners"]
                nodes: ["*"]
                approvals: {count: 1, from: ["group:owners"]}

            """
        let text = String(decoding: try BoundedFile.read(file, limit: 100_000), as: UTF8.self)
            .replacing("groups:", with: "  ben: {keys: [{public_key: \(words), expires: \(expires)}]}\ngroups:")
            .replacing("owners: [ada]", with: "owners: [ada, ben]")
            .replacing("remove-node, upgrade, roll-back]", with: "remove-node, roll-back]")
            .replacing("rules:\n", with: "rules:\n\(rule)")
        try AtomicFile.write(Array(text.utf8), to: file)
        let published = await ada.signs("policy", "publish", file)
        guard published.status == 0 else { throw Workshop.Failure.command(published.all) }
    }

    /// A node that joins with a token of ada's and reports hello 1.0, and does nothing else.
    private func node(_ workshop: Workshop, _ ada: Person) async throws -> (MusterClient, session: String) {
        let line = await ada.muster("enroll", "token", "--tag", "web")
        let token = try #require(EnrollmentToken(line: line.output), "\(line.all)")
        let key = TestKey("real rollout node")
        let client = try MusterClient(service: workshop.address)
        let proof = EnrollRequest.proof(fleet: token.fleet, name: "web", nodeKey: key.publicKey)
        let reply = try await client.enroll(
            EnrollRequest(
                fleet: token.fleet,
                name: "web",
                nodeKey: key.publicKey,
                secret: token.secret,
                signature: key.sign(proof.canonicalBytes)
            )
        )
        guard case .enrolled(let id, _, _) = reply else { throw Workshop.Failure.command("the node is not enrolled") }
        let challenge = try await client.nodeChallenge(id).challenge
        let login = NodeSessionRequest.proof(fleet: token.fleet, node: id, challenge: challenge)
        let session = try await client.nodeSession(
            NodeSessionRequest(node: id, challenge: challenge, signature: key.sign(login.canonicalBytes))
        )
        let report = NodeReport.bookworm(packages: ["hello": "1.0"])
        _ = try await client.report(report, session: session.token)
        return (client, session.token)
    }

    private func rollouts(_ person: Person) async throws -> [JSONFields] {
        let list = await person.muster("rollout", "list", "--json")
        guard list.status == 0 else { throw Workshop.Failure.command(list.all) }
        return try JSONFields(JSONValue.parse(Array(list.output.utf8), limit: 1_000_000)).objects("items", limit: 10)
    }

    /// The id of the rollout that was started last.
    private func newest(_ person: Person) async throws -> String {
        let latest = try await rollouts(person).max { try $0.integer("started") < $1.integer("started") }
        return try #require(latest).string("id")
    }

    private func state(_ person: Person, _ id: String) async throws -> String {
        let found = try await rollouts(person).first { try $0.string("id") == id }
        return try #require(found).string("state")
    }
}
