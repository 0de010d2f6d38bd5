import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterKeys
import MusterModel
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import Testing

@testable import MusterCommands

/// Asking for runs and approving them: what is shown is what is signed.
@Suite
struct RunCommandTests {
    @Test("what will run, where, as whom and until when is shown, and that is what the statement says")
    func ask() async throws {
        try await RunFixture.run { fixture in
            let outcome = await fixture.ada.muster(
                [
                    "run", "restart-web", "--on", "tag:web and not node:web-2", "--reason", "new certificate", "--yes",
                    "--env", "DEBUG=1", "--concurrency", "1", "--max-failures", "0", "--no-wait", "--", "unit=nginx",
                ]
            )
            #expect(outcome.status == 0, "\(outcome.all)")
            let sent = try fixture.sent()
            #expect(outcome.output == "run \(sent.statement.id): accepted\n")
            #expect(
                outcome.errors == """
                    restart-web as root on 2 nodes: web-[1,3]
                      /usr/bin/systemctl restart nginx
                      Restart a service of the web servers
                      in /, for at most 60 s, with at most 1.0 MB of output
                      with DEBUG=1
                      selected by: tag:web and not node:web-2
                      starts at once, on nodes that are back until 2030-03-17T18:46:40Z
                      ids: web-1 is node-web-1, web-3 is node-web-3
                      at most 1 at once, stops after 1 failed
                      reason: new certificate
                      2 of 4 nodes
                      policy: allowed by rule 'web alone'
                      first seen: web-1 is node-web-1, web-3 is node-web-3
                    next: muster run watch \(sent.statement.id.text.prefix(8))

                    """
            )
            let body = try fixture.body(sent)
            #expect(body.nodes.map(\.text) == ["node-web-1", "node-web-3"])
            #expect(try body.resolve().argv == ["/usr/bin/systemctl", "restart", "nginx"])
            #expect(body.environment == ["DEBUG": "1"] && body.reason == "new certificate")
            #expect(body.selector == "tag:web and not node:web-2")
            #expect(body.fanOut == RunBody.FanOut(concurrency: 1, batch: 0, maximumFailures: 0))
            let signature = try SSHSignature(blob: try #require(sent.signatures.first))
            #expect(signature.verify(message: sent.signedBytes, namespace: "run@muster") == .valid)
        }
    }

    @Test("values of a list are words of their own, and words with blanks are shown as one")
    func list() async throws {
        try await RunFixture.run { fixture in
            let outcome = await fixture.ada.muster(
                [
                    "run", "greet", "--on", "1 of tag:web", "--in", "2h", "--expires", "30m", "--yes", "--no-wait",
                    "--",
                    "words=hello world", "words=it's me",
                ]
            )
            #expect(outcome.status == 0, "\(outcome.all)")
            #expect(outcome.errors.contains("  /usr/bin/printf '%s\\n' 'hello world' 'it'\\''s me'\n"))
            #expect(outcome.errors.contains("in /tmp, for at most 5 s, with at most 4.1 kB of output"))
            #expect(
                outcome.errors.contains(
                    "  starts at 2030-03-17T19:46:40Z (in 2 h), on nodes that are back until 2030-03-17T20:16:40Z\n"
                )
            )
            let body = try fixture.body(try fixture.sent())
            #expect(body.notBefore == FakeService.time.adding(seconds: 7200))
            #expect(try body.resolve().argv == ["/usr/bin/printf", "%s\\n", "hello world", "it's me"])
        }
    }

    @Test(
        "nothing is signed where it makes no sense, is not allowed, or nobody was asked",
        arguments: [
            (["restart-web", "--on", "tag:web", "--", "unit=nginx"], 2, "use --yes"),
            (["restart-web", "--on", "tag:web", "--yes", "--", "unit=sshd"], 1, "does not match the pattern"),
            (["restart-web", "--on", "tag:web", "--yes"], 1, "parameter 'unit' is missing"),
            (["restart-web", "--on", "tag:web", "--yes", "--", "unit=nginx", "x=1"], 1, "no parameter 'x'"),
            (["restart-web", "--on", "tag:web", "--yes", "--", "nginx"], 2, "the value 'nginx' is invalid"),
            (
                ["restart-web", "--on", "tag:web", "--yes", "--env", "LD_PRELOAD=x", "--", "unit=nginx"], 1,
                "does not allow the variable 'LD_PRELOAD'"
            ),
            (
                ["restart-web", "--on", "*", "--yes", "--", "unit=nginx"], 1,
                "the policy refuses it: on db1 not allowed: rule 'web alone': node 'node-db1' is not among its 'nodes'"
            ),
            (["reboot", "--on", "tag:web", "--yes"], 1, "the policy has no command 'reboot'"),
            (["approve", "--on", "tag:web", "--yes"], 2, "unknown option '--on'"),
            (["restart-web", "--on", "tag:wbe", "--yes"], 1, "no node has the tag 'wbe'"),
            (["restart-web", "--on", "tag:web and", "--yes"], 2, "column 12 of the selector: expected"),
            (["restart-web", "--on", "tag:web and tag:db", "--yes"], 1, "no node is selected by"),
            (["restart-web", "--on", "*", "--at", "2020-01-01T00:00Z", "--yes"], 2, "is over: nothing can start then"),
            (["restart-web", "--on", "*", "--in", "8d", "--yes"], 2, "at most 7 days ahead"),
            (
                ["restart-web", "--on", "*", "--in", "1h", "--at", "2031-01-01T00:00Z"], 2,
                "give --at or --in, not both"
            ),
            (
                ["set-password", "--on", "tag:web", "--yes", "--accept-new-node-keys"], 2,
                "use --secret-file or --secret-fd"
            ),
            (["set-password", "--on", "tag:web", "--yes"], 1, "was ever sealed for web-1 (node-web-1, key "),
            (
                ["restart-web", "--on", "tag:web", "--over", "ssh", "--no-wait"], 2,
                "--no-wait does not go with --over ssh"
            ),
        ] as [([String], Int32, String)]
    )
    func refused(_ arguments: [String], _ status: Int32, _ message: String) async throws {
        try await RunFixture.run { fixture in
            let outcome = await fixture.ada.muster(["run"] + arguments)
            #expect(outcome.status == status, "\(outcome.all)")
            #expect(outcome.errors.contains(message), "\(outcome.all)")
            #expect(fixture.workshop.service.with { $0.statements.isEmpty })
        }
    }

    @Test("a command that is called like a subcommand is run by its full name")
    func calledApprove() async throws {
        try await RunFixture.run { fixture in
            let outcome = await fixture.ada.muster(
                ["run", "start", "approve", "--on", "node:web-1", "--yes", "--no-wait"]
            )
            #expect(outcome.status == 0, "\(outcome.all)")
            let body = try fixture.body(try fixture.sent())
            #expect(body.command.text == "approve")
        }
    }

    @Test("a secret is sealed to each node for this statement alone, and stands nowhere else")
    func secret() async throws {
        try await RunFixture.run { fixture in
            try AtomicFile.write(Array("correct horse\n".utf8), to: fixture.ada.home + "/secret")
            let outcome = await fixture.ada.muster(
                [
                    "run", "set-password", "--on", "tag:web", "--secret-file", "password=secret", "--yes", "--no-wait",
                    "--accept-new-node-keys",
                ]
            )
            #expect(outcome.status == 0, "\(outcome.all)")
            #expect(outcome.errors.contains("  reads: app:‹password›\\n\n"), "\(outcome.errors)")
            #expect(outcome.errors.contains("rule 'with a second pair of eyes' needs 1 approvals and has 0: ask ben"))
            let sent = try fixture.sent()
            #expect(!String(decoding: sent.json.jsonBytes, as: UTF8.self).contains("correct horse"))
            #expect(!outcome.all.contains("correct horse"))
            let name = try #require(ParameterName("password"))
            let body = try fixture.body(sent)
            let sealed = try #require(body.sealed[name])
            #expect(sealed.keys.map(\.text).sorted() == ["node-web-1", "node-web-2", "node-web-3"])
            #expect(sealed.values.allSatisfy { $0.count == SealedSecret.overhead + 13 })
            #expect(Set(sealed.values).count == 3)

            let short = await fixture.ada.muster(
                ["run", "set-password", "--on", "tag:web", "--secret-fd", "password=999", "--yes", "--no-wait"]
            )
            #expect(short.status == 2 && short.errors.contains("cannot read a secret from descriptor 999"))
            try AtomicFile.write(Array("short\n".utf8), to: fixture.ada.home + "/secret")
            let weak = await fixture.ada.muster(
                ["run", "set-password", "--on", "tag:web", "--secret-file", "password=secret", "--yes", "--no-wait"]
            )
            #expect(weak.status == 1 && weak.errors.contains("the secret 'password' does not match the pattern"))
            #expect(!weak.all.contains("short"))

            let broken = Array("correct ".utf8) + [0xFF] + Array(" horse\n".utf8)
            try AtomicFile.write(broken, to: fixture.ada.home + "/secret")
            let bytes = await fixture.ada.muster(
                ["run", "set-password", "--on", "tag:web", "--secret-file", "password=secret", "--yes", "--no-wait"]
            )
            #expect(bytes.status == 1 && bytes.errors.contains("the secret 'password' is no text in UTF-8"))
        }
    }

    @Test("attack: a node's key that the service exchanged gets no secret; one that the known key signed does")
    func exchangedKey() async throws {
        try await RunFixture.run { fixture in
            try AtomicFile.write(Array("correct horse\n".utf8), to: fixture.ada.home + "/secret")
            func ask(_ more: String...) async -> Person.Outcome {
                await fixture.ada.muster(
                    [
                        "run", "set-password", "--on", "tag:web", "--secret-file", "password=secret", "--yes",
                        "--no-wait",
                    ] + more
                )
            }
            let unseen = await ask("--accept-node-key", "web-1", "--accept-node-key", "web-3")
            #expect(unseen.status == 1 && unseen.errors.contains("was ever sealed for web-2 (node-web-2, key "))
            #expect(fixture.workshop.service.with { $0.statements.isEmpty })
            let first = await ask("--accept-new-node-keys")
            #expect(first.status == 0, "\(first.all)")
            let key = Hex.encode(TestKey("node web-1").publicKey)
            #expect(
                first.errors.contains(
                    "web-1 (node-web-1) gets a secret of yours for the first time: its node key is \(key)"
                )
            )
            let second = await ask()
            #expect(second.status == 0 && !second.errors.contains("for the first time"), "\(second.all)")
            let sent = try fixture.sent()

            let next = TestKey("thief")
            fixture.exchangeKey(of: "web-1", for: next.publicKey)
            let refused = await ask()
            #expect(
                refused.status == 1 && refused.errors.contains("that one has not signed the change"),
                "\(refused.all)"
            )
            #expect(try fixture.sent() == sent)
            // What another key signed, or the right one for another node, is nothing.
            for (signer, node) in [("thief", "web-1"), ("node web-1", "web-2")] {
                try fixture.exchangeKey(of: "web-1", for: next.publicKey, signedBy: TestKey(signer), for: node)
                #expect(await ask().status == 1)
            }
            #expect(try fixture.sent() == sent)
            let misplaced = await ask("--accept-node-key", "db1")
            #expect(misplaced.status == 2 && misplaced.errors.contains("it is none of the run's nodes"))

            try fixture.exchangeKey(of: "web-1", for: next.publicKey, signedBy: TestKey("node web-1"), for: "web-1")
            #expect(await ask().status == 0)
            fixture.exchangeKey(of: "web-1", for: TestKey("enrolled anew").publicKey)
            #expect(await ask().status == 1)
            #expect(await ask("--accept-node-key", "web-1").status == 0)
            #expect(await ask().status == 0)
        }
    }

    @Test("attack: a node that the service adds to a scripted run's choice gets no secret")
    func addedNode() async throws {
        try await RunFixture.run { fixture in
            try AtomicFile.write(Array("correct horse\n".utf8), to: fixture.ada.home + "/secret")
            func ask(_ more: String...) async -> Person.Outcome {
                await fixture.ada.muster(
                    [
                        "run", "set-password", "--on", "tag:web", "--secret-file", "password=secret", "--yes",
                        "--no-wait",
                    ] + more
                )
            }
            #expect(await ask("--accept-new-node-keys").status == 0)
            let sent = try fixture.sent()
            try fixture.addNode("web-4", id: "node-thief")
            let refused = await ask()
            #expect(refused.status == 1 && refused.errors.contains("web-4 (node-thief, key "), "\(refused.all)")
            #expect(refused.errors.contains("--accept-node-key NAME, or --accept-new-node-keys"), "\(refused.all)")
            #expect(try fixture.sent() == sent)
            #expect(await ask("--accept-node-key", "web-4").status == 0)
            #expect(await ask().status == 0)
        }
    }

    // MARK: - Approving

    @Test("an approver sees from the signed bytes what will run, ahead of its time, and signs the same bytes")
    func approve() async throws {
        try await RunFixture.run { fixture in
            let sent = try await fixture.waiting()
            let outcome = await fixture.ben.muster("run", "approve", String(sent.statement.id.text.prefix(6)), "--yes")
            #expect(outcome.status == 0, "\(outcome.all)")
            #expect(
                outcome.output == """
                    ada asks to run:
                    set-password as root on 3 nodes: web-[1-3]
                      /usr/sbin/chpasswd
                      in /, for at most 60 s, with at most 1.0 MB of output
                      reads: app:‹password›\\n
                      selected by: tag:web
                      starts at 2030-03-17T19:46:40Z (in 2 h), on nodes that are back until 2030-03-17T20:46:40Z
                      ids: web-1 is node-web-1, web-2 is node-web-2, web-3 is node-web-3
                      reason: rotation
                      signed by ada
                      policy: rule 'with a second pair of eyes' needs 1 approvals and has 0: ask ben
                    run \(sent.statement.id.text.prefix(8)): waiting: 1 approval: ask ben

                    """
            )
            let blob = try #require(fixture.workshop.service.with { $0.approvals.last })
            #expect(try SSHSignature(blob: blob).verify(message: sent.signedBytes, namespace: "run@muster") == .valid)

            let own = await fixture.ada.muster("run", "approve", sent.statement.id.text, "--yes")
            #expect(own.status == 1 && own.errors.contains("who asks never counts as an approver"), "\(own.all)")
            let unasked = await fixture.ben.muster("run", "approve", sent.statement.id.text)
            #expect(unasked.status == 2 && unasked.errors.contains("use --yes"), "\(unasked.all)")
            #expect(fixture.workshop.service.with { $0.approvals.count } == 1)
        }
    }

    @Test("an approver signs nothing that a hostile service made up, altered, or that the policy no longer says")
    func hostile() async throws {
        try await RunFixture.run { fixture in
            let sent = try await fixture.waiting()
            let body = try fixture.body(sent)
            var other = body
            other.nodes = [try #require(NodeID("node-db1"))]
            var changed = body
            changed.definition = ApprovedCommand(
                argv: ["/bin/sh"],
                user: try #require(AccountName("root"))
            )
            changed.sealed = [:]
            changed.arguments = [:]
            let otherFleet = try #require(FleetID(String(repeating: "a", count: 64)))
            let attacks: [(SignedStatement, String)] = [
                (statement(sent, .run(other)), "ada has not validly signed it"),
                (statement(sent, .run(changed)), "ada has not validly signed it"),
                (statement(sent, .run(body), fleet: otherFleet), "is not that of run"),
                (statement(sent, .run(body), expires: -1), "the statement expired at"),
                (
                    statement(sent, .tagNode(TagNodeBody(node: try #require(NodeID("node-db1")), tags: []))),
                    "is not that of run"
                ),
                (try withMember(sent), "says more than this program understands"),
            ]
            for (forged, message) in attacks {
                try fixture.offer(forged)
                let outcome = await fixture.ben.muster("run", "approve", sent.statement.id.text, "--yes")
                #expect(outcome.status == 1 && outcome.errors.contains(message), "\(message): \(outcome.all)")
            }
            #expect(fixture.workshop.service.with { $0.approvals.isEmpty })
        }
    }

    @Test("attack: the patterns of a command that the service made up are not tried, only shown as they stand")
    func madeUpCommand() async throws {
        try await RunFixture.run { fixture in
            let sent = try await fixture.waiting()
            let name = try #require(ParameterName("unit"))
            var made = try fixture.body(sent)
            // Whoever tries this pattern says that it is none, and that the value does not fit.
            made.definition = ApprovedCommand(
                argv: ["/bin/sh", "-c", "{unit}"],
                parameters: [name: CommandParameter(.text(ValuePattern("((")))],
                user: try #require(AccountName("root"))
            )
            made.arguments = [name: ["rm -rf /", "x"]]
            made.sealed = [:]
            try fixture.offer(statement(sent, .run(made)))
            let shown = await fixture.ben.muster("run", "show", sent.statement.id.text)
            #expect(shown.status == 0, "\(shown.all)")
            #expect(shown.output.contains("  /bin/sh -c '{unit}'\n  {unit}: 'rm -rf /' x\n"), "\(shown.all)")
            #expect(shown.output.contains("that is not what today's policy says of 'set-password'"), "\(shown.all)")
            #expect(shown.output.contains("whose signature is not valid by today's policy"), "\(shown.all)")
        }
    }

    /// The statement with another body under ada's signature of the first.
    private func statement(
        _ sent: SignedStatement,
        _ body: StatementBody,
        fleet: FleetID? = nil,
        expires: Int64 = 10_800
    ) -> SignedStatement {
        SignedStatement(
            Statement(
                fleet: fleet ?? sent.statement.fleet,
                id: sent.statement.id,
                requester: sent.statement.requester,
                issued: sent.statement.issued,
                expires: FakeService.time.adding(seconds: expires),
                body: body
            ),
            signatures: sent.signatures
        )
    }

    private func withMember(_ sent: SignedStatement) throws -> SignedStatement {
        guard case .object(var object) = sent.signed else { throw Workshop.Failure.command("no object") }
        object["and_then"] = "something else"
        let envelope: JSONValue = ["signed": .object(object), "signatures": sent.json["signatures"] ?? .null]
        return try SignedStatement(JSONFields(JSONValue.parse(envelope.jsonBytes, limit: 1 << 20)))
    }

    @Test("denying needs a reason, cancelling may have one")
    func endings() async throws {
        try await RunFixture.run { fixture in
            let sent = try await fixture.waiting()
            let id = sent.statement.id.text
            #expect(await fixture.ben.muster("run", "deny", id).status == 2)
            #expect(await fixture.ben.muster("run", "deny", id, "--reason", "not tonight").status == 0)
            #expect(await fixture.ben.muster("run", "cancel", id).status == 0)
            #expect(fixture.workshop.service.with { $0.reasons } == ["not tonight", ""])
        }
    }
}
