import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterTestSupport
import OpenSSHFormats
import Testing

/// Starting, approving and watching rollouts.
@Suite
struct RolloutCommandTests {
    private func node(
        _ name: String,
        tags: [String],
        _ state: String = "online",
        report: NodeReport? = .bookworm(packages: ["hello": "1.0"])
    ) throws -> NodeRecord {
        NodeRecord(
            id: try #require(NodeID(name)),
            name: name,
            tags: tags.compactMap { Tag($0) },
            address: "100.64.0.1",
            enrolled: FakeService.time.adding(seconds: -86400),
            lastSeen: FakeService.time.adding(seconds: -30),
            state: state,
            report: report,
            packages: [
                NodeRecord.Package(
                    name: "hello",
                    installed: "1.0",
                    available: "1.1",
                    target: "",
                    security: name == "db"
                )
            ]
        )
    }

    private func record(
        _ statement: SignedStatement,
        _ state: String,
        revision: Int64,
        done: Int,
        nodeState: String,
        reason: String = "",
        before: String = "",
        age: Int64 = 0
    ) throws -> RolloutRecord {
        RolloutRecord(
            id: statement.statement.id,
            state: state,
            reason: reason,
            revision: revision,
            started: FakeService.time.adding(seconds: -age),
            statement: statement,
            signers: [statement.statement.requester],
            missing: "",
            stages: [
                RolloutRecord.Stage(
                    size: 1,
                    done: done,
                    inFlight: 1 - done,
                    failed: 0,
                    skipped: 0,
                    state: done == 1 ? "complete" : "open",
                    bakesUntil: nil
                )
            ],
            nodes: [
                RolloutRecord.Node(
                    id: try #require(NodeID("web")),
                    name: "web",
                    stage: 0,
                    state: nodeState,
                    version: done == 1 ? "1.1" : "1.0",
                    reason: "",
                    before: before
                )
            ]
        )
    }

    /// A fleet with two releases of hello and two nodes.
    private func fleet(_ body: (Workshop, Person) async throws -> Void) async throws {
        try await Workshop.fleet { workshop, ada in
            #expect(await ada.signs("release", "add", try await workshop.package("hello", "1.0")).status == 0)
            #expect(await ada.signs("release", "add", try await workshop.package("hello", "1.1")).status == 0)
            let nodes = [try node("web", tags: ["web", "canary"]), try node("db", tags: [])]
            workshop.service.with { $0.nodes = nodes }
            try await body(workshop, ada)
        }
    }

    @Test("a start shows what is signed, and the statement is the operator's and names the signed files")
    func start() async throws {
        try await fleet { workshop, ada in
            let outcome = await ada.muster(
                ["rollout", "start", "hello", "--on", "tag:web", "--stages", "1,50%,100%", "--bake", "5m", "--yes"]
            )
            #expect(outcome.status == 0, "\(outcome.all)")
            #expect(outcome.output.contains("upgrade hello to 1.1 on tag:web"))
            #expect(outcome.output.contains("1 of 2 nodes are selected now"))
            #expect(outcome.output.contains("stages 1,50%,100%, 5 min between"))
            #expect(outcome.output.contains("policy: allowed by rule 'owners may do everything'"))
            let sent = try #require(workshop.service.with { $0.statements.last })
            let body = try #require(sent.statement.body.packageChange)
            #expect(body.targets.map(\.path) == ["releases/hello_1.1_all.deb"])
            let signature = try SSHSignature(blob: try #require(sent.signatures.first))
            #expect(signature.verify(message: sent.signedBytes, namespace: "upgrade@muster") == .valid)
        }
    }

    @Test("nothing is signed without a terminal and without --yes")
    func neverUnasked() async throws {
        try await fleet { workshop, ada in
            let outcome = await ada.muster("rollout", "start", "hello")
            #expect(outcome.status == 2)
            #expect(outcome.errors.contains("use --yes"))
            #expect(workshop.service.with { $0.statements.isEmpty })
        }
    }

    @Test("a version that the release managers never signed is not rolled out")
    func unsignedVersion() async throws {
        try await fleet { _, ada in
            let outcome = await ada.muster("rollout", "start", "hello", "6.6", "--yes")
            #expect(outcome.status == 1)
            #expect(outcome.errors.contains("no release 6.6 of hello is signed; there are 1.1, 1.0"))
        }
    }

    @Test("a roll-back halts the rollout and goes to the release before, on the nodes that have or may get the version")
    func rollBack() async throws {
        try await fleet { workshop, ada in
            await ada.muster(["rollout", "start", "hello", "--on", "tag:web", "--yes"])
            let sent = try #require(workshop.service.with { $0.statements.last })
            let running = try record(sent, "running", revision: 1, done: 0, nodeState: "installing")
            workshop.service.with { $0.rollouts = [running] }
            let outcome = await ada.muster("rollout", "roll-back", String(sent.statement.id.text.prefix(6)), "--yes")
            #expect(outcome.status == 0, "\(outcome.all)")
            let back = try #require(workshop.service.with { $0.statements.last })
            #expect(back.statement.type == .rollBack)
            #expect(back.statement.body.packageChange?.version == "1.0")
            #expect(back.statement.body.packageChange?.nodes == [.node(try #require(NodeID("web")))])
            #expect(back.statement.body.packageChange?.strategy.maxInFlight == 1)
            #expect(back.statement.body.packageChange?.strategy.stages == [.percent(100)])
            #expect(outcome.output.contains("hello 1.1 goes back to 1.0: the release before it"))
            #expect(outcome.output.contains("  web: 1.0, installing -> 1.0"))
            #expect(workshop.service.with { $0.reasons } == ["it is about to be rolled back"])

            let done = try record(sent, "complete", revision: 2, done: 1, nodeState: "failed")
            workshop.service.with { $0.rollouts = [done] }
            let nothing = await ada.muster("rollout", "roll-back", "hello", "--yes")
            #expect(nothing.status == 1)
            #expect(nothing.errors.contains("no node has hello 1.1 or is about to get it"), "\(nothing.all)")
        }
    }

    @Test("attack: --yes goes back to no old release that only the service calls the good one")
    func claimedVersion() async throws {
        try await fleet { workshop, ada in
            #expect(await ada.signs("release", "add", try await workshop.package("hello", "1.2")).status == 0)
            await ada.muster(["rollout", "start", "hello", "--on", "tag:web", "--yes"])
            let sent = try #require(workshop.service.with { $0.statements.last })
            let claimed = try record(sent, "halted", revision: 1, done: 0, nodeState: "installing", before: "1.0")
            workshop.service.with { $0.rollouts = [claimed] }
            let id = sent.statement.id.text
            let refused = await ada.muster("rollout", "roll-back", id, "--yes")
            #expect(refused.status == 1, "\(refused.all)")
            #expect(refused.errors.contains("say so with --to 1.0, or leave out --yes to be asked"), "\(refused.all)")
            let asked = await ada.muster("rollout", "roll-back", id, "--json")
            #expect(asked.status == 2 && asked.output.isEmpty, "\(asked.all)")
            #expect(asked.errors.contains("hello 1.2 goes back to 1.0: the version that 1 node had before"))
            #expect(workshop.service.with { $0.statements.count } == 1)
            let said = await ada.muster("rollout", "roll-back", id, "--to", "1.0", "--yes")
            #expect(said.status == 0, "\(said.all)")

            // A rollout of 1.0 that is said to have been complete, and that nobody signed.
            let honest = try #require(sent.statement.body.packageChange)
            let made = UpgradeBody(
                package: "hello",
                version: "1.0",
                targets: honest.targets,
                nodes: honest.nodes,
                strategy: honest.strategy
            )
            let halted = try record(sent, "halted", revision: 2, done: 0, nodeState: "installing")
            let forged = try record(
                SignedStatement(try statement(workshop, made, requester: "ada")),
                "complete",
                revision: 1,
                done: 1,
                nodeState: "confirmed",
                age: 3600
            )
            workshop.service.with { $0.rollouts = [halted, forged] }
            let back = await ada.muster("rollout", "roll-back", id, "--yes")
            #expect(back.status == 0, "\(back.all)")
            #expect(back.output.contains("hello 1.2 goes back to 1.1: the release before it"), "\(back.all)")
        }
    }

    @Test("attack: a rollout that nobody signed says nothing of what goes back; the operator's own words do")
    func claimedRollout() async throws {
        try await fleet { workshop, ada in
            await ada.muster(["rollout", "start", "hello", "--on", "tag:web", "--yes"])
            let sent = try #require(workshop.service.with { $0.statements.last })
            let forged = SignedStatement(sent.statement)
            let halted = try record(forged, "halted", revision: 1, done: 0, nodeState: "installing")
            workshop.service.with { $0.rollouts = [halted] }
            let id = sent.statement.id.text
            for arguments in [[id], [id, "--to", "1.0"], ["hello"]] {
                let outcome = await ada.muster(["rollout", "roll-back"] + arguments + ["--yes"])
                #expect(outcome.status == 1, "\(outcome.all)")
                #expect(outcome.errors.contains("no valid signature of ada on rollout \(id)"), "\(outcome.all)")
            }
            let other = await ada.muster("rollout", "roll-back", "2" + String(repeating: "0", count: 31), "--yes")
            #expect(other.status == 1 && other.errors.contains("is not that of rollout 2000"), "\(other.all)")
            #expect(workshop.service.with { $0.statements.count } == 1)
            let said = await ada.muster("rollout", "roll-back", "hello", "--to", "1.0", "--yes")
            #expect(said.status == 0, "\(said.all)")
        }
    }

    /// A fleet in which ada approves, and the body of an honest upgrade to hello 1.1.
    private func approvals(_ body: (Workshop, Person, UpgradeBody) async throws -> Void) async throws {
        try await Workshop.approvalFleet { workshop, ada in
            #expect(await ada.signs("release", "add", try await workshop.package("hello", "1.1")).status == 0)
            let nodes = [try node("web", tags: ["web"]), try node("db", tags: [])]
            workshop.service.with { $0.nodes = nodes }
            #expect(await ada.muster("rollout", "start", "hello", "--on", "*", "--yes").status == 0)
            let sent = try #require(workshop.service.with { $0.statements.last })
            try await body(workshop, ada, try #require(sent.statement.body.packageChange))
        }
    }

    private func statement(
        _ workshop: Workshop,
        _ body: UpgradeBody,
        requester: String = "ben",
        days: Int64 = 1
    ) throws -> Statement {
        Statement(
            fleet: try #require(workshop.service.with { $0.fleet }),
            id: try #require(StatementID("1" + String(repeating: "0", count: 31))),
            requester: try #require(OperatorName(requester)),
            issued: FakeService.time.adding(seconds: -60),
            expires: FakeService.time.adding(seconds: days * 86400),
            body: .upgrade(body)
        )
    }

    private func offer(_ statement: SignedStatement, _ workshop: Workshop) throws {
        let waiting = try record(statement, "waiting-for-approval", revision: 1, done: 0, nodeState: "waiting")
        workshop.service.with { $0.rollouts = [waiting] }
    }

    @Test("an approver reads the statement, who validly signed it and what the policy says, and signs those bytes")
    func approve() async throws {
        try await approvals { workshop, ada, body in
            let asked = try statement(workshop, body).signed()
            try offer(asked, workshop)
            let approved = await ada.muster("rollout", "approve", "1000", "--yes")
            #expect(approved.status == 0, "\(approved.all)")
            #expect(approved.output.hasPrefix("upgrade hello to 1.1 on *\n"), "\(approved.all)")
            #expect(approved.output.contains("  2 of 2 nodes are selected now\n"))
            #expect(approved.output.contains("  asked for by ben, good until "))
            #expect(approved.output.contains(", signed by ben\n"))
            #expect(approved.output.contains("rule 'ben upgrades with ada' needs 1 approvals and has 0: ask ada"))
            let blob = try #require(workshop.service.with { $0.approvals.last })
            #expect(
                try SSHSignature(blob: blob).verify(message: asked.signedBytes, namespace: "upgrade@muster") == .valid
            )
        }
    }

    @Test("an approver judges the nodes that the rollout is for: those that one of its files fits")
    func approveFitting() async throws {
        try await Workshop.approvalFleet(upgrading: "tag:web") { workshop, ada in
            let package = try await workshop.package("hello", "1.1", architecture: "amd64")
            #expect(await ada.signs("release", "add", package).status == 0)
            let nodes = [
                try node("web", tags: ["web"]), try node("pi1", tags: [], report: .bookworm(architecture: "arm64")),
                try node("new", tags: [], report: nil),
            ]
            workshop.service.with { $0.nodes = nodes }
            #expect(await ada.muster("rollout", "start", "hello", "--on", "*", "--yes").status == 0)
            let sent = try #require(workshop.service.with { $0.statements.last })
            let body = try #require(sent.statement.body.packageChange)
            try offer(try statement(workshop, body).signed(), workshop)
            let approved = await ada.muster("rollout", "approve", "1000", "--yes")
            #expect(approved.status == 0, "\(approved.all)")
            #expect(approved.output.contains("  1 of 3 nodes are selected now\n"), "\(approved.all)")

            // None that it fits: whether there is any place at all.
            workshop.service.with { $0.nodes = Array(nodes.dropFirst()) }
            let early = await ada.muster("rollout", "approve", "1000", "--yes")
            #expect(early.status == 0, "\(early.all)")
            #expect(early.output.contains("  0 of 2 nodes are selected now\n"), "\(early.all)")

            // One that it fits, and that no rule covers, the service and the nodes refuse as well.
            let outside = [nodes[0], try node("pi1", tags: [])]
            workshop.service.with { $0.nodes = outside }
            let refused = await ada.muster("rollout", "approve", "1000", "--yes")
            #expect(refused.status == 1 && refused.errors.contains("on pi1"), "\(refused.all)")
        }
    }

    @Test("attack: a stolen service gets no signature on a rollout that nobody asked for, however it is asked")
    func hostileApproval() async throws {
        try await approvals { workshop, ada, body in
            let own = try #require(workshop.service.with { $0.statements.last })
            let evil = UpgradeBody(
                package: "hello",
                version: "1.1",
                targets: [
                    UpgradeBody.Target(
                        path: body.targets[0].path,
                        length: 5,
                        sha256: [UInt8](repeating: 6, count: 32)
                    )
                ],
                nodes: [.every],
                strategy: body.strategy
            )
            var exchanged = try statement(workshop, body, days: 2).signed()
            exchanged.signatures = try statement(workshop, body).signed().signatures
            let other = try record(
                try statement(workshop, body).signed(),
                "waiting-for-approval",
                revision: 1,
                done: 0,
                nodeState: "waiting"
            )
            let attacks: [(SignedStatement, String)] = [
                // Ada's signature on this would be the whole request.
                (try statement(workshop, body, requester: "ada").signed(), "ada has not validly signed it"),
                (exchanged, "ben has not validly signed it"),
                (try statement(workshop, body, days: 31).signed(), "lives longer than 30 d"),
                (try statement(workshop, evil).signed(), "is not the file that the release managers signed"),
                (own, "who asks never counts as an approver"),
            ]
            for (statement, why) in attacks {
                try offer(statement, workshop)
                for options in [["--yes"], ["--yes", "--json"]] {
                    let outcome = await ada.muster(["rollout", "approve", statement.statement.id.text] + options)
                    #expect(outcome.status == 1 && outcome.output.isEmpty, "\(outcome.all)")
                    #expect(outcome.errors.contains(why), "\(outcome.all)")
                }
            }
            // Another rollout than the one that was meant.
            workshop.service.with { $0.rollouts = [other] }
            let swapped = await ada.muster("rollout", "approve", "2" + String(repeating: "0", count: 31), "--yes")
            #expect(swapped.status == 1 && swapped.errors.contains("is not that of rollout 2000"), "\(swapped.all)")
            #expect(workshop.service.with { $0.approvals.isEmpty })
        }
    }

    @Test("a watch in a pipe prints what changes and ends with 0 when complete")
    func watchComplete() async throws {
        try await fleet { workshop, ada in
            await ada.muster("rollout", "start", "hello", "--yes")
            let sent = try #require(workshop.service.with { $0.statements.last })
            let records = [
                try record(sent, "running", revision: 1, done: 0, nodeState: "downloading"),
                try record(sent, "running", revision: 2, done: 0, nodeState: "installing"),
                try record(sent, "complete", revision: 3, done: 1, nodeState: "confirmed"),
            ]
            workshop.service.with { $0.rollouts = records }
            let outcome = await ada.muster("rollout", "watch", sent.statement.id.text)
            #expect(outcome.status == 0, "\(outcome.all)")
            #expect(
                outcome.output == """
                    hello 1.1, 1 stages
                    stage 1 of 1 open, 0 of 1 confirmed, 1 at work
                    node web downloading (1.0)
                    rollout running
                    node web installing (1.0)
                    stage 1 of 1 complete, 1 of 1 confirmed
                    node web confirmed (1.1)
                    rollout complete

                    """
            )
        }
    }

    @Test("a watch ends with 1 when the rollout is halted, and says why")
    func watchHalted() async throws {
        try await fleet { workshop, ada in
            await ada.muster("rollout", "start", "hello", "--yes")
            let sent = try #require(workshop.service.with { $0.statements.last })
            let halted = try record(
                sent,
                "halted",
                revision: 1,
                done: 0,
                nodeState: "rolled-back",
                reason: "1 node failed, 0 are allowed"
            )
            workshop.service.with { $0.rollouts = [halted] }
            let outcome = await ada.muster("rollout", "watch", sent.statement.id.text)
            #expect(outcome.status == 1)
            #expect(outcome.output.contains("rollout halted: 1 node failed, 0 are allowed"))
            let json = await ada.muster("rollout", "watch", "--json", sent.statement.id.text)
            #expect(json.status == 1)
            #expect(try JSONValue.parse(Array(json.output.utf8.dropLast()), limit: 100_000)["state"] == "halted")
        }
    }

    @Test("nodes at a glance: quiet about updates, loud about security, filtered and sorted")
    func nodeList() async throws {
        try await fleet { _, ada in
            let list = await ada.muster("node", "list")
            #expect(
                list.output == """
                    NAME  TAGS        ADDRESS     AGENT  PACKAGES                  SEEN      STATE
                    db                100.64.0.1  0.1    hello 1.0 + security 1.1  30 s ago  online
                    web   web,canary  100.64.0.1  0.1    hello 1.0 +               30 s ago  online

                    """
            )
            #expect(await ada.muster("node", "list", "--tag", "web").output.contains("db") == false)
            #expect(await ada.muster("node", "list", "--state", "offline").output.isEmpty)
            let json = await ada.muster("node", "list", "--json", "--outdated")
            let items = try JSONFields(JSONValue.parse(Array(json.output.utf8), limit: 100_000)).objects(
                "items",
                limit: 9
            )
            #expect(items.count == 2)
        }
    }

    @Test("tags change by a signed statement that names the node's id")
    func tag() async throws {
        try await fleet { workshop, ada in
            let outcome = await ada.muster("node", "tag", "db", "--set", "web", "canary")
            #expect(outcome.status == 0, "\(outcome.all)")
            let sent = try #require(workshop.service.with { $0.statements.last })
            guard case .tagNode(let body) = sent.statement.body else { return #expect(Bool(false)) }
            #expect(body.node.text == "db")
            #expect(body.tags.map(\.text) == ["web", "canary"])
        }
    }
}
