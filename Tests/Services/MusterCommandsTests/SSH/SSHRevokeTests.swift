import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import Testing

/// `muster ssh revoke`.
@Suite
struct SSHRevokeTests {
    private func fleet(
        _ revocations: [SSHRevocationsRecord],
        _ body: (Workshop, Person) async throws -> Void
    ) async throws {
        try await Workshop.sshFleet { workshop, ada in
            let node = try Workshop.node("web1")
            workshop.service.with {
                $0.nodes = [node]
                $0.ssh.revoked = "1 certificate revoked, list version 3"
                $0.ssh.revocations = revocations
            }
            try await body(workshop, ada)
        }
    }

    private func revoke(_ person: Person, _ what: String..., reason: String = "laptop lost") async -> Person.Outcome {
        await person.muster(["ssh", "revoke"] + what + ["--reason", reason])
    }

    @Test("serials, a key ID, an operator, a node and a key: the signed statement says exactly what was asked for")
    func subjects() async throws {
        try await fleet([try Workshop.revocations()]) { workshop, ada in
            let file = ada.home + "/lost.pub"
            try AtomicFile.write(Array("\(try TestKey("lost").ssh.line) a comment\n".utf8), to: file)
            let ben = try #require(OperatorName("ben"))
            let asked: [([String], RevokeBody.Subject)] = [
                (["--serial", "18", "17"], .serials([17, 18])),
                (["--serial", "20-22", "3", "21-23"], .serials([3, 20, 21, 22, 23])),
                (["--key-id", "ada/laptop/x y"], .keyID("ada/laptop/x y")),
                (["--operator", "ben"], .person(ben)), (["--node", "web1"], .node(try NodeID(parsing: "node-web1"))),
                (["--key", file], .publicKey(try TestKey("lost").ssh)),
            ]
            for (words, subject) in asked {
                let outcome = await ada.muster(["ssh", "revoke"] + words + ["--reason", "laptop lost"])
                let said = words[0] == "--node" ? "first seen: web1 is node-web1\n" : ""
                #expect(outcome.status == 0 && outcome.errors == said, "\(outcome.all)")
                #expect(outcome.output == "1 certificate revoked, list version 3\nrevoked on 3 of 3 nodes\n")
                let sent = try #require(workshop.service.with { $0.statements.last })
                #expect(sent.statement.body == .revoke(RevokeBody(subject: subject, reason: "laptop lost")))
                let signature = try SSHSignature(blob: try #require(sent.signatures.first))
                #expect(signature.verify(message: sent.signedBytes, namespace: "revoke@muster") == .valid)
            }
        }
    }

    @Test("without --wait it says how far it has come; nodes that cannot be reached are named with since when")
    func onTheWay() async throws {
        try await fleet([try Workshop.revocations([.acknowledged, .behind, .unreachable])]) { _, ada in
            let outcome = await revoke(ada, "--serial", "17")
            #expect(outcome.status == 0)
            #expect(
                outcome.output == """
                    1 certificate revoked, list version 3
                    revoked on 1 of 3 nodes, 1 on the way, 1 unreachable since 2030-03-17T16:46:40Z

                    """
            )
        }
    }

    @Test("--wait waits for every node in contact, for no other, and ends with 1 where one is late")
    func waits() async throws {
        let late = try Workshop.revocations([.acknowledged, .behind, .unreachable])
        let there = try Workshop.revocations([.acknowledged, .acknowledged, .unreachable])
        try await fleet([late, late, there]) { workshop, ada in
            let outcome = await revoke(ada, "--serial", "17", "--wait", "30s")
            #expect(outcome.status == 0)
            #expect(outcome.output.hasSuffix("revoked on 2 of 3 nodes, 1 unreachable since 2030-03-17T16:46:40Z\n"))
            workshop.service.with { $0.ssh.revocations = [late] }
            let early = await revoke(ada, "--serial", "17", "--wait", "1s")
            #expect(early.status == 1 && early.output.contains("1 on the way"))
        }
    }

    @Test("--json gives the service's answer and how far it has come, and nothing else")
    func json() async throws {
        let record = try Workshop.revocations()
        try await fleet([record]) { workshop, ada in
            let outcome = await ada.muster("ssh", "revoke", "--serial", "17", "--reason", "lost", "--json")
            let id = try #require(workshop.service.with { $0.statements.last?.statement.id })
            let expected: JSONValue = [
                "reply": ["id": JSONValue(id), "state": "accepted", "detail": "1 certificate revoked, list version 3"],
                "revocations": [
                    "krl_version": 3, "summary": "revoked on 3 of 3 nodes",
                    "entries": [
                        [
                            "subject": "serial 17", "reason": "laptop lost", "actor": "ada",
                            "time": 1_900_000_000_000, "version": 3, "certificates": 1,
                        ]
                    ],
                    "nodes": .array(
                        (1...3).map { number in
                            [
                                "id": .string("node-web\(number)"), "name": .string("web\(number)"),
                                "state": "acknowledged", "version": 3, "last_seen": 1_900_000_000_000, "problem": "",
                            ]
                        }
                    ),
                ],
            ]
            #expect(try outcome.json == expected)
            #expect(outcome.errors.isEmpty)
        }
    }

    @Test("wrong input is refused before anything is signed, and says what is right")
    func wrongInput() async throws {
        try await fleet([try Workshop.revocations()]) { workshop, ada in
            let one = "say what is revoked: one of --serial, --key-id, --operator, --node and --key"
            let many = "--serial takes at most 10000 serials at once"
            let wrong: [([String], String)] = [
                ([], one), (["--serial", "17", "--operator", "ben"], one), (["--serial", "1-10001"], many),
                (["--serial", "1-5001", "9001-14000"], many), (["--serial", "1-9223372036854775807"], many),
            ]
            for (words, why) in wrong {
                let outcome = await ada.muster(["ssh", "revoke"] + words + ["--reason", "x"])
                #expect(outcome.status == 2 && outcome.errors.contains(why), "\(outcome.all)")
            }
            let numbers = ["x", "0", "-1", "9223372036854775808", "7-3", "1-2-3", "1-", "+1", ""].map {
                ["--serial", $0]
            }
            for words in numbers + [["--serial"], ["--operator", "b n"]] {
                #expect(await ada.muster(["ssh", "revoke"] + words + ["--reason", "x"]).status == 2, "\(words)")
            }
            for reason in ["", "two\nlines", String(repeating: "x", count: 1001)] {
                let outcome = await revoke(ada, "--serial", "17", reason: reason)
                #expect(outcome.status == 2 && outcome.errors.contains("--reason must be one line"), "\(outcome.all)")
            }
            #expect(await ada.muster("ssh", "revoke", "--serial", "17").status == 2)
            try AtomicFile.write(Array("no key\n".utf8), to: ada.home + "/no.pub")
            let key = await revoke(ada, "--key", ada.home + "/no.pub")
            #expect(key.status == 1 && key.errors.contains("no.pub is no SSH public key"), "\(key.all)")
            let node = await revoke(ada, "--node", "web9")
            #expect(node.status == 1 && node.errors == "muster: there is no node 'web9': see 'muster node list'\n")
            #expect(workshop.service.with { $0.statements.isEmpty })
        }
    }
}
