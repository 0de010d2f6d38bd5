import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy
import MusterTestSupport
import MusterTrust
import Testing

/// What a node runs, and every way in which a service that holds all of its keys would have it run something else.
@Suite struct RunVerifierTests {
    private let fixture: RunFixture

    init() throws {
        fixture = try RunFixture()
    }

    @Test("a run that its requester signed is allowed, put together from the signed values")
    func allowed() throws {
        let run = try #require(try fixture.verify(try fixture.echo(["a b", "c"])).run)
        #expect(run.command.argv == ["/bin/echo", "a b", "c"])
        #expect(run.command.user == AccountName("root"))
        #expect(run.rule == "owner-runs")
        #expect(run.signers.map(\.name.text) == ["ada"])
        #expect(run.sealed.isEmpty)
        #expect(run.body.nodes == [fixture.node])
        #expect(try run.definition == fixture.fleet.definition("echo"))
    }

    @Test("with the approvals that its rule wants it is allowed, without them it is not")
    func approvals() throws {
        let body = try fixture.fleet.run("restart-web", ["unit": ["nginx"]], on: [fixture.node])
        let run = try #require(try fixture.verify(body, by: ["ben", "cat"]).run)
        #expect(run.rule == "ben-runs-with-approval")
        #expect(run.signers.map(\.name.text) == ["ben", "cat"])
        for signers in [["ben"], ["ben", "ben"], ["ben", "eve"]] {
            #expect(try fixture.code(body, by: signers) == .approvalsMissing)
        }
        #expect(try fixture.code(body, by: ["eve"]) == .requesterSignatureMissing)
        #expect(try fixture.code(body, by: ["cat"]) == .notAllowed)
    }

    @Test("what nobody need keep: unsigned, for others, too long-lived, of another fleet or type; rules are not asked")
    func screened() throws {
        let policy = try fixture.policy
        func code(_ signed: SignedStatement, at later: Int64 = 0) -> TrustRefusal.Code? {
            do throws(TrustRefusal) {
                try RunVerifier.screen(
                    UpdateManifest.Run(run: signed.statement.id, statement: signed),
                    node: fixture.node,
                    policy: policy,
                    fleet: fixture.fleet.fleet,
                    time: fixture.time.adding(seconds: later)
                )
                return nil
            } catch {
                return error.code
            }
        }
        let fleet = fixture.fleet
        let echo = try fixture.echo()
        #expect(try code(fleet.statement(.run(echo))) == nil)
        #expect(try code(fleet.statement(.run(echo), by: ["cat"])) == nil, "no rule allows it, and that is for later")
        #expect(try code(fleet.statement(.run(echo), by: ["eve"])) == .requesterSignatureMissing)
        var unsigned = try fleet.statement(.run(echo))
        unsigned.signatures = []
        #expect(code(unsigned) == .requesterSignatureMissing)
        unsigned.signatures = try fleet.statement(.run(echo), seed: "2").signatures
        #expect(code(unsigned) == .requesterSignatureMissing)
        #expect(try code(fleet.statement(.run(fixture.echo(nodes: [fixture.other])))) == .notSelected)
        let week = RunBody.statementLifetime
        #expect(try code(fleet.statement(.run(echo), lifetime: week + 1)) == .lifetimeTooLong)
        #expect(try code(fleet.statement(.run(echo), lifetime: 250_000_000_000)) == .lifetimeTooLong)
        #expect(try code(fleet.statement(.run(echo), lifetime: 600), at: 600) == .expired)
        let other = try #require(FleetID(digest: [UInt8](repeating: 9, count: 32)))
        #expect(try code(fleet.statement(.run(echo), fleet: other)) == .otherFleet)
        let tag = StatementBody.tagNode(TagNodeBody(node: fixture.node, tags: []))
        #expect(try code(fleet.statement(tag)) == .otherType)
    }

    @Test("used before: what was begun once is never begun again")
    func used() throws {
        let signed = try fixture.fleet.statement(.run(fixture.echo()))
        let verdict = try fixture.verify(signed, usedIDs: [signed.statement.id])
        #expect(verdict.refusal?.code == .replayed)
    }

    @Test("a statement of another fleet")
    func otherFleet() throws {
        let fleet = try #require(FleetID(digest: [UInt8](repeating: 9, count: 32)))
        #expect(try fixture.code(fixture.fleet.statement(.run(fixture.echo()), fleet: fleet)) == .otherFleet)
    }

    @Test("its time: from five minutes before it was issued to its last second, and for a week at most")
    func times() throws {
        let signed = try fixture.fleet.statement(.run(fixture.echo()), lifetime: 600)
        #expect(try fixture.code(signed, at: -300) == nil)
        #expect(try fixture.code(signed, at: -301) == .issuedInFuture)
        #expect(try fixture.code(signed, at: 599) == nil)
        #expect(try fixture.code(signed, at: 600) == .expired)
        let week = RunBody.statementLifetime
        #expect(try fixture.code(fixture.fleet.statement(.run(fixture.echo()), lifetime: week)) == nil)
        #expect(try fixture.code(fixture.fleet.statement(.run(fixture.echo()), lifetime: week + 1)) == .lifetimeTooLong)
    }

    @Test("the entry names another run than its statement")
    func otherRun() throws {
        let other = try #require(StatementID(random: [UInt8](repeating: 7, count: 16)))
        let signed = try fixture.fleet.statement(.run(fixture.echo()))
        #expect(try fixture.verify(signed, run: other).refusal?.code == .malformed)
    }

    @Test("type confusion: statements and signatures of every other type run nothing")
    func typeConfusion() throws {
        let login = try fixture.fleet.login(command: "/bin/echo hello")
        #expect(try fixture.code(fixture.fleet.statement(login)) == .otherType)
        let tag = StatementBody.tagNode(TagNodeBody(node: fixture.node, tags: []))
        #expect(try fixture.code(fixture.fleet.statement(tag)) == .otherType)
        let key = FleetSimulator.operatorKey("ada")
        let namespaces = StatementType.allCases.filter { $0 != .run }.map(\.namespace)
        for namespace in namespaces + ["login@muster", "run", "run@muster ", "file", "git"] {
            var signed = try fixture.fleet.statement(.run(fixture.echo()))
            signed.signatures = [try key.sshSignature(of: signed.signedBytes, namespace: namespace)]
            #expect(try fixture.code(signed) == .requesterSignatureMissing)
        }
        // The other way round: what was signed as a run is no upgrade and no login, whatever it calls itself then.
        for type in StatementType.allCases where type != .run {
            let signed = try fixture.fleet.statement(.run(fixture.echo()))
            guard case .object(var members) = signed.signed else { return }
            members["_type"] = .string(type.rawValue)
            let renamed: JSONValue = ["signed": .object(members), "signatures": RunFixture.signatures(signed)]
            guard let other = try? RunFixture.parsed(renamed) else { continue }
            #expect(
                !StatementVerifier.signatures(of: other, policy: try fixture.policy, time: fixture.time)
                    .ignored.isEmpty
            )
        }
    }

    @Test("another node, or none of the statement's nodes")
    func otherNode() throws {
        #expect(try fixture.code(try fixture.echo(nodes: [fixture.other])) == .notSelected)
        #expect(try fixture.code(try fixture.echo(nodes: [fixture.node, fixture.other])) == nil)
        let signed = try fixture.fleet.statement(.run(fixture.echo()))
        #expect(try fixture.verify(signed, node: NodeFacts(id: nil, tags: [])).refusal?.code == .notSelected)
    }

    @Test("a rule for other nodes does not let it run here, though the statement names this node")
    func ruleForOtherNodes() throws {
        let body = try fixture.fleet.run("restart-web", ["unit": ["nginx"]], on: [fixture.node])
        let signed = try fixture.fleet.statement(.run(body), by: ["ben", "cat"])
        let database = NodeFacts(id: fixture.node, tags: [try #require(NodeTag("db"))])
        #expect(try fixture.verify(signed).run != nil)
        #expect(try fixture.verify(signed, node: database).refusal?.code == .notAllowed)
    }

    @Test("a command that no rule allows its requester, and one that the policy does not have")
    func otherCommand() throws {
        let echo = try fixture.echo()
        #expect(try fixture.code(echo, by: ["ben", "cat"]) == .notAllowed)
        let unknown = try fixture.fleet.run("other", on: [fixture.node], definition: fixture.fleet.definition("echo"))
        #expect(try fixture.code(unknown) == .notAllowed)
    }

    @Test("a definition that is another in this node's policy, in any of its members")
    func definitionChanged() throws {
        let body = try fixture.echo()
        let signed = try fixture.fleet.statement(.run(body))
        guard case .object(let honest) = FleetSimulator.echo else { return }
        let changes: [(String, JSONValue)] = [
            ("argv", ["/bin/echo", "-n", "{words}"]), ("user", "daemon"), ("directory", "/tmp"),
            ("timeout_seconds", 61), ("output_bytes", 2048), ("input", "{words}"), ("environment", ["A": "b"]),
            ("environment_allow", ["A"]), ("description", "prints"),
        ]
        for (name, value) in changes {
            var fixture = fixture
            var definition = honest
            definition[name] = value
            if name == "input" { definition["parameters"] = ["words": ["type": "text", "pattern": ".*"]] }
            try fixture.fleet.define("echo", .object(definition))
            let code = try fixture.code(signed)
            #expect(code == .definitionChanged || code == .notAllowed, "\(name): \(String(describing: code))")
        }
        // And the other way round: an operator signs a definition of their own.
        var own = honest
        own["argv"] = ["/bin/sh", "-c", "{words}"]
        own["parameters"] = ["words": ["type": "text", "pattern": ".*"]]
        let definition = try ApprovedCommand(JSONFields(.object(own)))
        let evil = try fixture.fleet.run("echo", ["words": ["id"]], on: [fixture.node], definition: definition)
        #expect(try fixture.code(evil) == .definitionChanged)
    }

    @Test("a definition with a member that this program does not know is run by nobody")
    func definitionNotUnderstood() throws {
        var fixture = fixture
        guard case .object(var definition) = FleetSimulator.echo else { return }
        definition["chroot"] = "/srv"
        try fixture.fleet.define("echo", .object(definition))
        #expect(try fixture.code(try fixture.echo()) == .notAllowed)
        guard case .object(var parameter)? = definition["parameters"], case .object(var words)? = parameter["words"]
        else { return }
        definition["chroot"] = nil
        words["maximum_length"] = 3
        parameter["words"] = .object(words)
        definition["parameters"] = .object(parameter)
        try fixture.fleet.define("echo", .object(definition))
        #expect(try fixture.code(try fixture.echo()) == .notAllowed)
    }

    @Test("arguments that the command does not take, though its requester signed them")
    func arguments() throws {
        func code(
            _ command: String,
            _ arguments: [String: [String]],
            _ environment: [String: String] = [:]
        ) throws
            -> TrustRefusal.Code?
        {
            let body = try fixture.fleet.run(command, arguments, on: [fixture.node], environment: environment)
            return try fixture.code(body)
        }
        for words in [["a;b"], ["-n"], ["a\nb"], ["\0"], [], Array(repeating: "a", count: 9), ["$(id)"], ["ä"]] {
            #expect(try code("echo", ["words": words]) == .argumentNotAllowed, "\(words)")
        }
        #expect(try code("echo", ["words": ["a"], "more": ["b"]]) == .argumentNotAllowed)
        #expect(try code("echo", [:]) == nil)
        #expect(try code("restart-web", [:]) == .argumentNotAllowed)
        #expect(try code("restart-web", ["unit": ["sshd"]]) == .argumentNotAllowed)
        #expect(try code("restart-web", ["unit": ["nginx", "php-fpm"]]) == .argumentNotAllowed)
        #expect(try code("restart-web", ["unit": ["nginx"]], ["DEBUG": "1"]) == nil)
        for name in ["LANG", "PATH", "LD_PRELOAD", "debug", "DEBUG "] {
            #expect(try code("restart-web", ["unit": ["nginx"]], [name: "1"]) == .argumentNotAllowed, "\(name)")
        }
        #expect(try code("restart-web", ["unit": ["nginx"]], ["DEBUG": "1\n2"]) == .argumentNotAllowed)
    }

    @Test("a secret that was not sealed for this node, and one that stands open among the arguments")
    func secrets() throws {
        func body(_ arguments: [String: [String]], _ sealed: [String: [NodeID: [UInt8]]]) throws -> RunBody {
            try fixture.fleet.run("set-password", arguments, on: [fixture.node, fixture.other], sealed: sealed)
        }
        let secret = [UInt8](repeating: 1, count: 80)
        let user = ["user": ["web"]]
        #expect(try fixture.code(body(user, [:])) == .secretMissing)
        #expect(try fixture.code(body(user, ["password": [fixture.other: secret]])) == .secretMissing)
        let run = try #require(try fixture.verify(body(user, ["password": [fixture.node: secret]])).run)
        #expect(run.sealed == [try #require(ParameterName("password")): secret])
        #expect(run.command.input?.shown == "web:‹password›\n")
        var open = user
        open["password"] = ["swordfish"]
        #expect(try fixture.code(body(open, ["password": [fixture.node: secret]])) == .argumentNotAllowed)
    }

    @Test("before its time it waits, and is judged as it will be then")
    func notBefore() throws {
        let signed = try fixture.fleet.statement(.run(fixture.echo(notBefore: 3600)))
        #expect(try fixture.verify(signed, at: 0) == .notYet(fixture.time.adding(seconds: 3600)))
        #expect(try fixture.verify(signed, at: 3599) == .notYet(fixture.time.adding(seconds: 3600)))
        #expect(try fixture.verify(signed, at: 3600).run != nil)
        #expect(try fixture.code(try fixture.echo(nodes: [fixture.other], notBefore: 3600)) == .notSelected)
        #expect(try fixture.code(try fixture.echo(["a;b"], notBefore: 3600)) == .argumentNotAllowed)
        #expect(try fixture.code(try fixture.echo(notBefore: 3600), by: ["eve"]) == .requesterSignatureMissing)
    }

    @Test("outside the window of its rule it is refused; planned for within, it waits")
    func window() throws {
        var fixture = fixture
        // 1,700,000,000 is a Tuesday, 22:13:20.
        try fixture.fleet.allow([
            "name": "at night", "allow": ["run"], "who": ["cat"], "nodes": ["*"], "commands": ["echo"],
            "windows": [
                [
                    "from": "23:00", "to": "01:00", "zone": "UTC",
                    "offsets": [["from": "2000-01-01T00:00:00Z", "minutes": 0]],
                ]
            ],
        ])
        let now = try fixture.fleet.statement(.run(fixture.echo()), by: ["cat"])
        let opens: Int64 = 46 * 60 + 40
        #expect(try fixture.code(now) == .notAllowed)
        #expect(try fixture.code(now, at: opens - 1) == .notAllowed)
        #expect(try fixture.code(now, at: opens) == nil)
        #expect(try fixture.code(now, at: opens + 7199) == nil)
        #expect(try fixture.code(now, at: opens + 7200) == .notAllowed)
        let planned = try fixture.fleet.statement(.run(fixture.echo(notBefore: opens)), by: ["cat"])
        #expect(try fixture.verify(planned) == .notYet(fixture.time.adding(seconds: opens)))
        #expect(try fixture.verify(planned, at: opens).run != nil)
        #expect(try fixture.code(planned, at: opens + 7200) == .notAllowed)
        let wrong = try fixture.fleet.statement(.run(fixture.echo(notBefore: 60)), by: ["cat"])
        #expect(try fixture.code(wrong) == .notAllowed)
    }

    @Test("one that goes over SSH is run by no agent")
    func overSSH() throws {
        let ssh = RunBody.OverSSH(publicKey: try TestKey("ephemeral").ssh, seconds: 120)
        var body = try fixture.echo()
        body.ssh = ssh
        #expect(try fixture.code(body) == .overSSH)
        body.notBefore = fixture.time.adding(seconds: 60)
        #expect(try fixture.code(body) == .overSSH)
    }

    @Test("under a policy that has expired, by an operator whose key has, or who is in it no more, nothing runs")
    func expiredPolicyAndKey() throws {
        let policy = try fixture.policy
        func changed(expires: Int64, keys: Int64, without name: String = "") throws -> FleetPolicy {
            let end = fixture.time.adding(seconds: keys)
            let operators = policy.operators.filter { $0.key.text != name }.mapValues { person in
                PolicyOperator(keys: person.keys.map { PolicyKey(publicKey: $0.publicKey, expires: end) })
            }
            return try FleetPolicy(
                version: 2,
                issued: fixture.time,
                expires: fixture.time.adding(seconds: expires),
                operators: operators,
                groups: name.isEmpty ? policy.groups : [:],
                commands: policy.commands,
                rules: name.isEmpty ? policy.rules : []
            )
        }
        let signed = try fixture.fleet.statement(.run(fixture.echo()))
        #expect(try fixture.verify(signed, policy: changed(expires: 61, keys: 61), at: 60).run != nil)
        #expect(try fixture.verify(signed, policy: changed(expires: 60, keys: 61), at: 60).refusal?.code == .notAllowed)
        #expect(
            try fixture.verify(signed, policy: changed(expires: 61, keys: 60), at: 60).refusal?.code
                == .requesterSignatureMissing
        )
        #expect(
            try fixture.verify(signed, policy: changed(expires: 61, keys: 61, without: "ada"), at: 60).refusal?.code
                == .requesterSignatureMissing
        )
    }
}
