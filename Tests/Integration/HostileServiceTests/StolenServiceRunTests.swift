import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import SignatureVerification
import Testing

/// Runs that nobody validly asked for: not one of them leaves a trace.
extension HostileServiceTests {
    /// The node refuses one run for a reason that contains `words`, then runs an honest one.
    private func refuse(
        _ words: String,
        as state: RunState = .refused,
        tags: [String] = ["web"],
        policy: @Sendable (inout FleetSimulator) throws -> Void = { _ in },
        _ make: @Sendable (HostileRunScenario) async throws -> SignedStatement
    ) async throws {
        try await HostileRunScenario.run(tags: tags, policy: policy) { scenario in
            let statement = try await make(scenario)
            try await scenario.send([statement])
            try await scenario.expectRefusal(of: statement, words, as: state)
        }
    }

    /// The signed object with some of its members changed, and the signatures as they were.
    private static func altered(
        _ honest: SignedStatement,
        _ change: (inout JSONObject) throws -> Void
    ) throws -> SignedStatement {
        guard case .object(var members) = honest.signed else { throw FleetSimulator.Failure.impossible }
        try change(&members)
        let envelope: JSONValue = [
            "signed": .object(members),
            "signatures": .array(honest.signatures.map { .string(Base64.encode($0)) }),
        ]
        return try SignedStatement(try JSONFields(envelope))
    }

    @Test("run: control: what an operator signed is run once, however often it is sent")
    func runControl() async throws {
        try await HostileRunScenario.run(leaves: ["once"]) { scenario in
            let statement = try await scenario.statement("once")
            for sequence in Int64(100)..<105 {
                try await scenario.send([statement, statement], sequence: sequence)
                try await scenario.expectWords(["once"])
                try await scenario.expectNothing(sequence: sequence, reports: 2)
            }
        }
    }

    @Test("run: control: an approval by a lead is enough")
    func runApproved() async throws {
        try await HostileRunScenario.run(leaves: ["approved"]) { scenario in
            try await scenario.send([try await scenario.statement("approved", by: ["ben", "cat"])])
            try await scenario.expectWords(["approved"])
        }
    }

    @Test("run: a statement altered by one byte is refused")
    func runAltered() async throws {
        try await refuse("is not over this statement") { scenario in
            try Self.altered(try await scenario.statement("evil")) { $0["arguments"] = ["word": ["evik"]] }
        }
    }

    @Test("run: without a signature, or by an operator who is in no policy, it is refused")
    func runUnsigned() async throws {
        try await refuse("has not validly signed") { scenario in
            var statement = try await scenario.statement()
            statement.signatures = []
            return statement
        }
        try await refuse("is not in the policy") { try await $0.statement(by: ["eve"]) }
    }

    @Test("run: signed by the service's own keys it is refused")
    func runByServiceKeys() async throws {
        try await refuse("is not in the policy") { scenario in
            var statement = try await scenario.statement()
            let fleet = await scenario.service.fleet
            statement.signatures = []
            for key in [fleet.snapshotKey, fleet.timestampKey, fleet.manifestKey, fleet.revocationsKey] {
                statement.signatures.append(
                    try key.sshSignature(of: statement.signedBytes, namespace: StatementType.run.namespace)
                )
            }
            return statement
        }
    }

    @Test("run: a statement of another fleet is refused")
    func runOfAnotherFleet() async throws {
        let other = try #require(FleetID(digest: Digest.sha256([1])))
        try await refuse("is for fleet") { try await $0.statement(fleet: other) }
    }

    @Test("run: a statement for another node is refused")
    func runForAnotherNode() async throws {
        let other = try #require(NodeID("node-elsewhere"))
        try await refuse("this is none of them") { try await $0.statement(nodes: [other]) }
    }

    @Test("run: a statement that the service makes name this node too is refused")
    func runWithMoreNodes() async throws {
        let other = try #require(NodeID("node-elsewhere"))
        try await refuse("is not over this statement") { scenario in
            let here = scenario.service.node.text
            return try Self.altered(try await scenario.statement(nodes: [other])) {
                $0["nodes"] = .array([.string("node-elsewhere"), .string(here)].sorted { "\($0)" < "\($1)" })
            }
        }
    }

    @Test("run: a node cannot be tagged into a rule by the service")
    func runRetagged() async throws {
        try await HostileRunScenario.run(tags: ["db"]) { scenario in
            let node = scenario.service.node
            let fleet = await scenario.service.fleet
            let web = try #require(Tag("web"))
            let body = StatementBody.tagNode(TagNodeBody(node: node, tags: [web]))
            var forged = try fleet.statement(body, by: ["ada"], seed: "forged tag")
            forged.signatures = [
                try fleet.manifestKey.sshSignature(of: forged.signedBytes, namespace: "tag-node@muster")
            ]
            let byBen = try fleet.statement(body, by: ["ben"], seed: "tag by ben")
            let run = try await scenario.statement(by: ["ben", "cat"])
            try await scenario.send([run], tags: [try fleet.statement(body, by: ["eve"], seed: "tag"), forged, byBen])
            try await scenario.expectRefusal(of: run, "is not among its 'nodes'")
        }
    }

    @Test("run: an expired statement, and one from the future, are refused")
    func runOfAnotherTime() async throws {
        try await refuse("expired at", as: .expired) { scenario in
            let issued = WallClock.now().adding(seconds: -3600)
            return try await scenario.statement(lifetime: 1800, issued: issued)
        }
        try await refuse("compare the clocks") { scenario in
            try await scenario.statement(issued: WallClock.now().adding(seconds: 3600))
        }
    }

    @Test("run: a statement that lives longer than a week is refused")
    func runLivesTooLong() async throws {
        try await refuse("lives longer than 7 days") { try await $0.statement(lifetime: 8 * 86400) }
    }

    @Test("run: an operator whose key has expired is refused")
    func runByExpiredKey() async throws {
        try await refuse("the key of dan expired at") { try await $0.statement(by: ["dan"]) }
    }

    @Test("run: under a policy that has expired nothing is run")
    func runUnderExpiredPolicy() async throws {
        let short: @Sendable (inout FleetSimulator) throws -> Void = { fleet in
            guard case .object(var policy) = fleet.policyDocument else { return }
            policy["expires"] = JSONValue(WallClock.now().adding(seconds: 8))
            fleet.policyDocument = .object(policy)
        }
        try await HostileRunScenario.run(isReachable: false, policy: short) { scenario in
            try await Task.sleep(for: .seconds(9))
            let run = try await scenario.statement()
            try await scenario.send([run])
            try await scenario.expectRefusalOrHold(of: run, "expired")
        }
    }

    @Test("run: under its approvals it is refused")
    func runUnderApprovals() async throws {
        try await refuse("needs 1 approval") { try await $0.statement(by: ["ben"]) }
        try await refuse("needs 2 approvals and has 1") {
            try await $0.statement(command: "marks", by: ["ben", "cat"])
        }
    }

    @Test("run: a requester who approves his own run is refused")
    func runSelfApproved() async throws {
        try await refuse("needs 1 approval") { try await $0.statement(by: ["ben", "ben"]) }
    }

    @Test("run: an approver who is in no policy, or in none of the groups that approve, counts for nothing")
    func runUnknownApprover() async throws {
        try await refuse("needs 1 approval") { try await $0.statement(by: ["ben", "eve"]) }
        try await refuse("needs 1 approval") { try await $0.statement(by: ["ben", "dan"]) }
    }

    @Test("run: one approver's signature twice counts once")
    func runCountedTwice() async throws {
        try await refuse("needs 2 approvals and has 1") {
            try await $0.statement(command: "marks", by: ["ben", "cat", "cat"])
        }
    }

    @Test("run: an approver whom the service puts into the policy counts for nothing")
    func runUnderForgedPolicy() async throws {
        try await HostileRunScenario.run { scenario in
            let honest = await scenario.service.fleet
            try await scenario.service.attack { fleet in
                try fleet.allow([
                    "name": "evil", "allow": ["run"], "who": ["cat"], "nodes": ["*"], "commands": ["*"],
                ])
                // The policy's key was not stolen: one of the service's own signs.
                fleet.policyKeys = [fleet.manifestKey]
                fleet.keptTargets = fleet.files["metadata/1.targets.json"]
                try fleet.publishPolicy()
            }
            try await scenario.send([try await scenario.statement(by: ["cat"])])
            try await scenario.expectHold("policy")
            // The policy's own keys sign again, so that the honest run can show that the door is there.
            try await scenario.service.attack { fleet in
                fleet = honest
                fleet.policyVersion += 10
                fleet.snapshotVersion += 10
                fleet.timestampVersion += 10
                try fleet.publishPolicy()
            }
        }
    }

    @Test("run: type confusion: signatures made for another type of statement are refused")
    func runTypeConfusion() async throws {
        let others: [StatementType] = [.upgrade, .sshCertificate, .tagNode]
        for type in others {
            try await refuse("signed in namespace '\(type.namespace)'") { scenario in
                var statement = try await scenario.statement()
                statement.signatures = [
                    try FleetSimulator.operatorKey("ada").sshSignature(
                        of: statement.signedBytes,
                        namespace: type.namespace
                    )
                ]
                return statement
            }
        }
    }

    @Test("run: type confusion: an upgrade, or a login, that an operator signed runs nothing")
    func otherStatementsRunNothing() async throws {
        try await refuse("runs nothing") { scenario in
            let fleet = await scenario.service.fleet
            return try fleet.statement(
                .tagNode(TagNodeBody(node: scenario.service.node, tags: [])),
                by: ["ada"],
                seed: "tag"
            )
        }
        try await refuse("runs nothing") { scenario in
            let fleet = await scenario.service.fleet
            return try fleet.statement(try fleet.login(command: "echo evil"), by: ["ada"], seed: "login")
        }
    }

    @Test("run: type confusion: a run offered as an upgrade installs nothing and runs nothing")
    func runOfferedAsUpgrade() async throws {
        try await HostileRunScenario.run { scenario in
            let fleet = await scenario.service.fleet
            let run = try await scenario.statement()
            let manifest = try fleet.manifest(
                for: scenario.service.node,
                sequence: 100,
                [fleet.assignment("releases/muster-probe_1.0_all.deb", run)]
            )
            await scenario.service.send(sequence: 100, manifest)
            try await scenario.expectRefusedAssignment("installs nothing")
        }
    }

    @Test("run: one that is signed to go over SSH is run by no agent")
    func runOverSSH() async throws {
        let key = try TestKey("ephemeral").ssh
        try await refuse("no agent runs it") {
            try await $0.statement(ssh: RunBody.OverSSH(publicKey: key, seconds: 120))
        }
        try await refuse("is not over this statement") { scenario in
            let signed = try await scenario.statement(ssh: RunBody.OverSSH(publicKey: key, seconds: 120))
            return try Self.altered(signed) { $0["ssh"] = nil }
        }
    }

    @Test("run: arguments that the service changes, adds or takes away are refused")
    func runArgumentsChanged() async throws {
        let changes: [JSONValue] = [
            ["word": ["worse"]], ["word": ["evil"], "more": ["x"]], [:], ["word": ["evil", "evil"]],
        ]
        for arguments in changes {
            try await refuse("") { scenario in
                try Self.altered(try await scenario.statement()) { $0["arguments"] = arguments }
            }
        }
    }

    @Test("run: an argument that its pattern does not allow is refused, though an operator signed it")
    func runArgumentNotAllowed() async throws {
        for word in ["evil; id", "Evil", "", "-evil", "$(id)", "evil\nevil"] {
            try await refuse("cannot be put together") { try await $0.statement(word) }
        }
    }

    @Test("run: a definition that the service changes is refused")
    func runDefinitionChanged() async throws {
        try await refuse("is not over this statement") { scenario in
            try Self.altered(try await scenario.statement()) { members in
                guard case .object(var definition)? = members["definition"] else { return }
                definition["argv"] = ["/bin/sh", "-c", "{word}"]
                members["definition"] = .object(definition)
            }
        }
    }

    @Test("run: a definition that is another in the policy is refused, though an operator signed it")
    func runOtherDefinition() async throws {
        try await refuse("is another in the policy") { scenario in
            let fleet = await scenario.service.fleet
            return try await scenario.statement(definition: try fleet.definition("linger"))
        }
    }

    @Test("run: a command that is not in the policy is refused, though an operator signed it")
    func runUnknownCommand() async throws {
        try await refuse("has no command") { scenario in
            let definition = try await scenario.service.fleet.definition("mark")
            return try await scenario.statement(command: "other", definition: definition)
        }
    }

    @Test("run: a command that no rule allows its requester is refused")
    func runCommandNotAllowed() async throws {
        try await refuse("is not among its 'commands'") {
            try await $0.statement(command: "linger", by: ["ben", "cat"])
        }
    }

    @Test("run: outside the window of its rule it is refused")
    func runOutsideWindow() async throws {
        try await refuse("window") { try await $0.statement(by: ["cat"]) }
    }

    @Test("run: before its time it waits, whatever time the service says it is")
    func runBeforeItsTime() async throws {
        try await HostileRunScenario.run { scenario in
            await scenario.service.lie(seconds: 2 * 86400)
            let start = WallClock.now().adding(seconds: 3600)
            let run = try await scenario.statement(notBefore: start)
            try await scenario.send([run])
            try await scenario.expectNothing(sequence: 100, reports: 5)
            #expect(await scenario.service.runUpdates.allSatisfy { $0.update.state == .accepted })
        }
    }
}
