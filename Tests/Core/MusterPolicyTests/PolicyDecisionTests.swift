import ByteCoding
import MusterModel
import MusterPolicy
import MusterTestSupport
import OpenSSHFormats
import Testing

@Suite struct PolicyDecisionTests {
    private let time = UTCTime(seconds: 1_700_000_000)

    private func name(_ text: String) throws -> OperatorName { try #require(OperatorName(text)) }
    private func tag(_ text: String) throws -> NodeTag { try #require(NodeTag(text)) }

    private func policy(_ rules: [PolicyRule]) throws -> FleetPolicy {
        var operators: [OperatorName: PolicyOperator] = [:]
        for person in ["ada", "ben", "cat", "dan"] {
            operators[try name(person)] = PolicyOperator(keys: [
                PolicyKey(publicKey: try TestKey(person).ssh, expires: time.adding(seconds: 1000))
            ])
        }
        return try FleetPolicy(
            version: 1,
            issued: time,
            expires: time.adding(seconds: 1000),
            operators: operators,
            groups: [try name("leads"): [try name("ada"), try name("cat"), try name("dan")]],
            rules: rules
        )
    }

    private func web() throws -> PolicyRule {
        PolicyRule(
            name: "web",
            allow: [.upgrade],
            who: [.person(try name("ben")), .group(try name("leads"))],
            nodes: [.tag(try tag("web"))],
            packages: ["hello"],
            approvals: PolicyRule.Approvals(count: 2, from: [.group(try name("leads"))])
        )
    }

    private func request(_ requester: String, _ signers: [String], tags: [String] = ["web"]) throws -> PolicyRequest {
        PolicyRequest(
            action: .upgrade,
            requester: try name(requester),
            signers: Set(try signers.map(name)),
            node: NodeFacts(id: NodeID("n1"), tags: Set(try tags.map(tag))),
            package: "hello"
        )
    }

    private func codes(_ decision: PolicyDecision) -> [PolicyReason.Code] {
        if case .refused(let reasons) = decision { return reasons.map(\.code) }
        return []
    }

    @Test("allowed with its rule and the approvers that counted")
    func allowed() throws {
        let decision = try policy([web()]).decide(request("ben", ["ben", "ada", "cat"]), time: time)
        #expect(decision == .allowed(rule: "web", approvers: [try name("ada"), try name("cat")]))
    }

    @Test("the requester never counts as an approver")
    func approverEqualsRequester() throws {
        let decision = try policy([web()]).decide(request("ada", ["ada", "cat"]), time: time)
        guard case .needsApprovals(let shortage) = decision else {
            Issue.record("\(decision)")
            return
        }
        #expect(shortage.have == [try name("cat")])
        #expect(shortage.need == 2)
        #expect(shortage.from == [try name("dan")])
        #expect(decision.description == "rule 'web' needs 2 approvals and has 1: ask dan")
    }

    @Test("an approver whom the rule does not name does not count")
    func approverNotNamed() throws {
        let decision = try policy([web()]).decide(request("cat", ["cat", "ben", "ada"]), time: time)
        guard case .needsApprovals(let shortage) = decision else {
            Issue.record("\(decision)")
            return
        }
        #expect(shortage.have == [try name("ada")])
    }

    @Test("each part that does not fit is a reason of its own")
    func reasons() throws {
        let policy = try policy([web()])
        #expect(codes(policy.decide(try request("ben", ["ada", "cat"]), time: time)) == [.requesterDidNotSign])
        #expect(codes(policy.decide(try request("zoe", ["zoe"]), time: time)) == [.unknownRequester])
        let elsewhere = try request("ben", ["ben"], tags: ["db"])
        #expect(codes(policy.decide(elsewhere, time: time)) == [.nodeNotSelected])
        var other = try request("ben", ["ben"])
        other.package = "bash"
        #expect(codes(policy.decide(other, time: time)) == [.packageNotNamed])
        other.action = .rollBack
        #expect(codes(policy.decide(other, time: time)) == [.noRule])
        #expect(
            codes(policy.decide(try request("ben", ["ben"]), time: time.adding(seconds: 1000))) == [.policyExpired]
        )
    }

    @Test("tags may be given only where a rule names every one of them")
    func tags() throws {
        func decide(_ tags: PolicyRule.Tags?, _ wanted: [String]) throws -> Bool {
            let ada = try name("ada")
            let rule = PolicyRule(name: "t", allow: [.tagNode], who: [.person(ada)], nodes: [.every], tags: tags)
            let request = PolicyRequest(
                action: .tagNode,
                requester: ada,
                signers: [ada],
                node: nil,
                tags: Set(try wanted.map(tag))
            )
            return try policy([rule]).decide(request, time: time).isAllowed
        }
        #expect(try decide(.any, ["web", "db"]))
        #expect(try decide(.only([try tag("web")]), ["web"]))
        #expect(try decide(nil, []))
        #expect(try !decide(.only([try tag("web")]), ["web", "db"]))
        #expect(try !decide(nil, ["web"]))
    }

    @Test("taking away a signature or a rule never allows what was not allowed", arguments: 0..<UInt64(200))
    func neverAllowedByRemoval(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let people = try ["ada", "ben", "cat", "dan"].map(name)
        let tags = try ["web", "db"].map(tag)
        let actions: [PolicyAction] = [.upgrade, .rollBack, .tagNode]
        let rules = (0..<4).map { number in
            let from = people.filter { _ in Bool.random(using: &generator) }
            let count = Int.random(in: 0...from.count, using: &generator)
            return PolicyRule(
                name: "rule \(number)",
                allow: actions.filter { _ in Bool.random(using: &generator) },
                who: people.filter { _ in Bool.random(using: &generator) }.map { .person($0) },
                nodes: Bool.random(using: &generator) ? [.every] : [.tag(tags[0])],
                packages: Bool.random(using: &generator) ? nil : ["hello"],
                tags: Bool.random(using: &generator) ? .any : nil,
                approvals: count == 0 ? nil : PolicyRule.Approvals(count: count, from: from.map { .person($0) })
            )
        }
        let whole = try policy(rules)
        for _ in 0..<6 {
            let request = PolicyRequest(
                action: actions[Int.random(in: 0..<3, using: &generator)],
                requester: people[Int.random(in: 0..<4, using: &generator)],
                signers: Set(people.filter { _ in Bool.random(using: &generator) }),
                node: NodeFacts(id: nil, tags: Set(tags.filter { _ in Bool.random(using: &generator) })),
                package: Bool.random(using: &generator) ? "hello" : "bash",
                tags: Set(tags.filter { _ in Bool.random(using: &generator) })
            )
            guard !whole.decide(request, time: time).isAllowed else { continue }
            for signer in request.signers {
                var fewer = request
                fewer.signers.remove(signer)
                #expect(!whole.decide(fewer, time: time).isAllowed, "seed \(seed)")
            }
            for index in rules.indices {
                var fewer = rules
                fewer.remove(at: index)
                #expect(try !policy(fewer).decide(request, time: time).isAllowed, "seed \(seed)")
            }
        }
    }
}
