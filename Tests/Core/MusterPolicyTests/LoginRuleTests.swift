import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy
import MusterTestSupport
import Testing

@Suite struct LoginRuleTests {
    private let time = UTCTime(seconds: 1_700_000_000)

    private func policy(_ rules: [JSONObject]) throws -> FleetPolicy {
        guard case .object(var object) = try FleetSimulator.defaultPolicy(time: time) else {
            throw JSONError(location: "", reason: "no object")
        }
        object["rules"] = .array(
            rules.enumerated().map { index, members in
                var rule: JSONObject = [
                    "name": .string("rule \(index)"), "allow": ["ssh-certificate"], "who": ["ada"], "nodes": ["*"],
                ]
                for member in members.members { rule[member.key] = member.value }
                return .object(rule)
            }
        )
        return try FleetPolicy(parsing: JSONValue.object(object).canonicalBytes)
    }

    private func request(
        _ account: String,
        _ command: String? = nil,
        by names: [String] = ["ada"]
    ) throws -> PolicyRequest {
        let signers = try names.map { try #require(OperatorName($0)) }
        return PolicyRequest(
            action: .sshCertificate,
            requester: signers[0],
            signers: Set(signers),
            node: NodeFacts(id: NodeID("n1"), tags: []),
            login: PolicyLogin(account: try #require(AccountName(account)), command: command)
        )
    }

    private func codes(_ decision: PolicyDecision) -> [PolicyReason.Code] {
        if case .refused(let reasons) = decision { return reasons.map(\.code) }
        return []
    }

    @Test("a rule is written as it was read")
    func roundTrips() throws {
        let policy = try policy([
            [
                "users": ["deploy", "root"], "max_seconds": 600, "extensions": ["permit-pty", "new@example.com"],
                "force_command": "uptime",
            ], ["users": ["*"]], [:],
        ])
        #expect(try FleetPolicy(parsing: policy.bytes) == policy)
        #expect(policy.unknownParts.isEmpty)
        #expect(policy.rules[2].logins == nil)
    }

    @Test("without users no login is allowed; * means any, and only alone")
    func users() throws {
        let none = try policy([[:], ["max_seconds": 600]])
        #expect(codes(none.decide(try request("deploy"), time: time)) == [.accountNotNamed, .accountNotNamed])
        let some = try policy([["users": ["deploy"]]])
        #expect(some.decide(try request("deploy"), time: time).isAllowed)
        #expect(codes(some.decide(try request("Deploy"), time: time)) == [.accountNotNamed])
        #expect(try policy([["users": ["*"]]]).decide(try request("root"), time: time).isAllowed)
        #expect(throws: JSONError.self) { try policy([["users": ["*", "root"]]]) }
        #expect(throws: JSONError.self) { try policy([["users": ["a,b"]]]) }
    }

    @Test("a request without a login is no login")
    func withoutLogin() throws {
        var request = try request("deploy")
        request.login = nil
        let policy = try policy([["users": ["*"]]])
        #expect(codes(policy.decide(request, time: time)) == [.accountNotNamed])
        #expect(policy.loginGrants(request, time: time).isEmpty)
    }

    @Test("what a rule does not say is a day at most, a terminal, and the command that was asked for")
    func defaults() throws {
        let policy = try policy([["users": ["*"]]])
        let grant = try #require(policy.loginGrants(try request("deploy", "uptime"), time: time).first)
        #expect(grant.maximumSeconds == 86400)
        #expect(grant.extensions == ["permit-pty"])
        #expect(grant.forceCommand == "uptime")
        let longer = try self.policy([["users": ["*"], "max_seconds": 1_000_000]])
        #expect(try longer.loginGrants(request("a"), time: time).first?.maximumSeconds == 86400)
        #expect(throws: JSONError.self) { try self.policy([["users": ["*"], "max_seconds": 59]]) }
    }

    @Test(
        "an extension that this program does not know is granted to nobody; known ones stand in a certificate's order"
    )
    func extensions() throws {
        let names: JSONValue = ["permit-user-rc", "statement@muster", "permit-everything", "permit-X11-forwarding"]
        let policy = try policy([["users": ["*"], "extensions": names]])
        let grant = try policy.loginGrants(request("a"), time: time).first
        #expect(grant?.extensions == ["permit-X11-forwarding", "permit-user-rc"])
    }

    @Test("a rule with one command allows no other, and forces it where none is asked for")
    func forceCommand() throws {
        let policy = try policy([["users": ["*"], "force_command": "backup"]])
        #expect(try policy.loginGrants(request("a"), time: time).first?.forceCommand == "backup")
        #expect(try policy.loginGrants(request("a", "backup"), time: time).first?.forceCommand == "backup")
        #expect(codes(policy.decide(try request("a", "sh"), time: time)) == [.otherCommand])
        #expect(try policy.loginGrants(request("a", "sh"), time: time).isEmpty)
        for command: JSONValue in ["", "a\nb"] {
            #expect(throws: JSONError.self) { try self.policy([["users": ["*"], "force_command": command]]) }
        }
    }

    @Test("the most generous rule counts, whatever their order")
    func mostGenerous() throws {
        let rules: [JSONObject] = [
            ["users": ["*"], "force_command": "backup", "max_seconds": 86400],
            ["users": ["*"], "max_seconds": 600, "extensions": []],
            ["users": ["*"], "max_seconds": 3600, "extensions": []],
            ["users": ["*"], "max_seconds": 3600],
            ["users": ["*"], "max_seconds": 80000, "approvals": ["count": 1, "from": ["cat"]]],
        ]
        for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 3, 1]] {
            let policy = try policy(
                order.map { index in
                    var rule = rules[index]
                    rule["name"] = .string("\(index)")
                    return rule
                }
            )
            #expect(try policy.loginGrants(request("a"), time: time).map(\.rule) == ["3", "2", "1", "0"])
            #expect(try policy.loginGrants(request("a", by: ["ada", "cat"]), time: time).first?.rule == "4")
        }
    }

    @Test("a rule with a member that this program does not know grants nothing")
    func unknownMember() throws {
        let policy = try policy([["users": ["*"], "only_on": ["monday"]]])
        #expect(codes(policy.decide(try request("a"), time: time)) == [.ruleNotUnderstood])
        #expect(try policy.loginGrants(request("a"), time: time).isEmpty)
    }

    @Test("a grant is there exactly when the decision allows", arguments: 0..<UInt64(100))
    func grantsAndDecisionAgree(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let rules: [JSONObject] = (0..<4).map { _ in
            var rule: JSONObject = ["who": [["ada", "ben", "group:leads"].randomElement(using: &generator) ?? "ada"]]
            if Bool.random(using: &generator) {
                rule["users"] = [["*", "a", "b"].randomElement(using: &generator) ?? "*"]
            }
            if Bool.random(using: &generator) { rule["force_command"] = "backup" }
            if Bool.random(using: &generator) { rule["approvals"] = ["count": 1, "from": ["cat", "ben"]] }
            if Int.random(in: 0..<5, using: &generator) == 0 { rule["odd"] = true }
            return rule
        }
        let policy = try policy(rules)
        for names in [["ada"], ["ben"], ["ben", "cat"], ["ada", "ben"], ["cat"]] {
            for command in [nil, "backup", "sh"] {
                let request = try request(["a", "c"].randomElement(using: &generator) ?? "a", command, by: names)
                let isAllowed = policy.decide(request, time: time).isAllowed
                #expect(isAllowed == !policy.loginGrants(request, time: time).isEmpty, "seed \(seed)")
                #expect(policy.loginGrants(request, time: policy.expires).isEmpty)
            }
        }
    }
}
