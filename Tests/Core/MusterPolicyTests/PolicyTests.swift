import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy
import MusterTestSupport
import OpenSSHFormats
import Testing

/// The promise of the policy: taking something away never allows more.
@Suite("PolicyTests")
struct PolicyTests {
    /// Policies with every kind of rule, and requests of every kind, from a seed.
    struct Maker {
        var generator: SeededGenerator
        let time = UTCTime(seconds: 1_700_000_000)
        static let people = ["ada", "ben", "cat", "dan"].compactMap(OperatorName.init)
        static let tags = ["web", "db", "test"].compactMap(NodeTag.init)
        static let nodes = ["n1", "n2"].compactMap { NodeID($0) }
        static let commands = ["restart", "migrate", "odd"].compactMap(CommandName.init)
        static let accounts = ["root", "deploy"].compactMap { AccountName($0) }
        static let actions: [PolicyAction] = StatementType.allCases.map(PolicyAction.init)

        mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &generator) < percent }
        mutating func some<Value>(_ values: [Value]) -> [Value] { values.filter { _ in chance(50) } }
        mutating func one<Value>(_ values: [Value]) -> Value {
            values[Int.random(in: 0..<values.count, using: &generator)]
        }

        mutating func rule(_ number: Int, groups: [OperatorName: [OperatorName]]) throws -> PolicyRule {
            func subjects(_ maker: inout Maker) -> [PolicySubject] {
                maker.some(Maker.people).map { .person($0) } + maker.some(groups.keys.sorted()).map { .group($0) }
            }
            let who = subjects(&self)
            var approvals: PolicyRule.Approvals?
            if chance(50) {
                let from = subjects(&self)
                let people = Set(
                    from.flatMap { subject -> [OperatorName] in
                        switch subject {
                        case .person(let name): [name]
                        case .group(let group): groups[group] ?? []
                        }
                    }
                )
                if !people.isEmpty {
                    approvals = PolicyRule.Approvals(
                        count: Int.random(in: 1...people.count, using: &generator),
                        from: from
                    )
                }
            }
            return PolicyRule(
                name: "rule \(number)",
                allow: some(Self.actions),
                who: who,
                nodes: one([[.every], [.tag(Self.tags[0])], [.node(Self.nodes[0])], []]),
                packages: one([nil, ["hello"]]),
                tags: one([nil, .any, .only(Set(some(Self.tags)))]),
                logins: one([
                    nil, PolicyRule.Logins(users: .any),
                    PolicyRule.Logins(users: .only(Set(some(Self.accounts))), forceCommand: one([nil, "uptime"])),
                ]),
                commands: one([nil, .any, .only(Set(some(Self.commands)))]),
                windows: one([nil, nil, [try window()], [try window(), try window()], []]),
                approvals: approvals
            )
        }

        mutating func window() throws -> TimeWindow {
            let from = Int64.random(in: 0..<1440, using: &generator)
            return try TimeWindow(
                days: one([nil, [.tuesday, .friday], [one(TimeWindow.Weekday.allCases)]]),
                from: from,
                to: (from + Int64.random(in: 1..<1439, using: &generator)) % 1440,
                zone: "UTC",
                offsets: [TimeWindow.Offset(from: time.adding(seconds: -86400), minutes: 0)]
            )
        }

        mutating func policy() throws -> FleetPolicy {
            var operators: [OperatorName: PolicyOperator] = [:]
            for person in Self.people {
                operators[person] = PolicyOperator(keys: [
                    PolicyKey(publicKey: try TestKey(person.text).ssh, expires: time.adding(seconds: 10_000_000))
                ])
            }
            var groups: [OperatorName: [OperatorName]] = [:]
            for name in ["leads", "others"].compactMap(OperatorName.init) { groups[name] = some(Self.people) }
            let root = try #require(AccountName("root"))
            var commands: [CommandName: ApprovedCommand] = [:]
            for name in Self.commands {
                // "odd" cannot be run: its argv[0] is no path.
                commands[name] = ApprovedCommand(argv: [name.text == "odd" ? "true" : "/bin/true"], user: root)
            }
            return try FleetPolicy(
                version: 1,
                issued: time,
                expires: time.adding(seconds: 10_000_000),
                operators: operators,
                groups: groups,
                commands: commands,
                rules: try (0..<Int.random(in: 1...5, using: &generator)).map { try rule($0, groups: groups) }
            )
        }

        mutating func request() -> PolicyRequest {
            let requester = one(Self.people)
            return PolicyRequest(
                action: one(Self.actions),
                requester: requester,
                signers: Set(some(Self.people) + (chance(80) ? [requester] : [])),
                node: chance(90) ? NodeFacts(id: one(Self.nodes), tags: Set(some(Self.tags))) : nil,
                package: one([nil, "hello", "bash"]),
                tags: Set(some(Self.tags)),
                login: one([nil, PolicyLogin(account: one(Self.accounts), command: one([nil, "uptime", "sh"]))]),
                command: one([nil, CommandName("unknown")] + Self.commands)
            )
        }

        mutating func moment() -> UTCTime {
            time.adding(seconds: Int64.random(in: -100_000...10_100_000, using: &generator))
        }
    }

    @Test(
        "taking away a signature, an approver or a rule never allows what was not allowed",
        arguments: 0..<UInt64(3000)
    )
    func neverAllowedByRemoval(seed: UInt64) throws {
        var maker = Maker(generator: SeededGenerator(seed: seed))
        let policy = try maker.policy()
        let smaller = try Self.smaller(policy)
        for _ in 0..<5 {
            let request = maker.request()
            let time = maker.moment()
            let decision = policy.decide(request, time: time)
            #expect(
                decision.isAllowed == policy.rules.contains { Self.allows($0, request, policy, time) },
                "seed \(seed): \(decision) differs from what the rules say one by one"
            )
            guard !decision.isAllowed else { continue }
            for signer in request.signers {
                var fewer = request
                fewer.signers.remove(signer)
                #expect(!policy.decide(fewer, time: time).isAllowed, "seed \(seed): without \(signer)'s signature")
            }
            for (what, other) in smaller {
                #expect(!other.decide(request, time: time).isAllowed, "seed \(seed): \(what)")
                #expect(other.loginGrants(request, time: time).isEmpty, "seed \(seed): \(what)")
            }
        }
    }

    /// The policy without each of its rules, and without each person that a rule or group names.
    private static func smaller(_ policy: FleetPolicy) throws -> [(String, FleetPolicy)] {
        var smaller: [(String, FleetPolicy)] = []
        func add(_ what: String, _ rules: [PolicyRule], _ groups: [OperatorName: [OperatorName]]) {
            // A policy whose approvals nobody can give any more is no policy.
            let other = try? FleetPolicy(
                version: policy.version,
                issued: policy.issued,
                expires: policy.expires,
                operators: policy.operators,
                groups: groups,
                commands: policy.commands,
                rules: rules
            )
            if let other { smaller.append((what, other)) }
        }
        for index in policy.rules.indices {
            var rules = policy.rules
            rules.remove(at: index)
            add("without rule \(index)", rules, policy.groups)
            guard let approvals = policy.rules[index].approvals else { continue }
            for entry in approvals.from.indices {
                var from = approvals.from
                from.remove(at: entry)
                var rules = policy.rules
                rules[index] = policy.rules[index].with(
                    approvals: PolicyRule.Approvals(count: approvals.count, from: from)
                )
                add("without \(approvals.from[entry]) among the approvers of rule \(index)", rules, policy.groups)
            }
        }
        for (group, members) in policy.groups {
            for member in members {
                var groups = policy.groups
                groups[group] = members.filter { $0 != member }
                add("without \(member) in \(group)", policy.rules, groups)
            }
        }
        return smaller
    }

    /// The decision of one rule, written a second time and as plainly as can be.
    private static func allows(
        _ rule: PolicyRule,
        _ request: PolicyRequest,
        _ policy: FleetPolicy,
        _ time: UTCTime
    ) -> Bool {
        let approvers = request.signers.subtracting([request.requester])
        let enough =
            rule.approvals.map { approvers.intersection(policy.members(of: $0.from)).count >= $0.count } ?? true
        let tags: Bool =
            switch rule.tags {
            case nil: request.tags.isEmpty
            case .any: true
            case .only(let names): request.tags.isSubset(of: names)
            }
        let isNode = request.node.map { node in rule.nodes.contains { Self.means($0, node) } } ?? true
        var fits =
            time < policy.expires && rule.allow.contains(request.action) && enough && tags && isNode
            && request.signers.contains(request.requester)
            && policy.members(of: rule.who).contains(request.requester)
        if let package = request.package, let packages = rule.packages { fits = fits && packages.contains(package) }
        if let windows = rule.windows { fits = fits && windows.contains { $0.isOpen(at: time) } }
        if request.action == .run {
            guard let command = request.command, policy.commands[command]?.problems.isEmpty == true else {
                return false
            }
            switch rule.commands {
            case nil: return false
            case .any: break
            case .only(let names): fits = fits && names.contains(command)
            }
        }
        if request.action == .sshCertificate {
            guard let login = request.login, let logins = rule.logins else { return false }
            if case .only(let names) = logins.users { fits = fits && names.contains(login.account) }
            if let only = logins.forceCommand, let asked = login.command { fits = fits && only == asked }
        }
        return fits
    }

    private static func means(_ selector: NodeSelector, _ node: NodeFacts) -> Bool {
        switch selector {
        case .every: true
        case .tag(let tag): node.tags.contains(tag)
        case .node(let id): node.id == id
        }
    }

    @Test("a verdict on each rule says what the decision says", arguments: 0..<UInt64(500))
    func verdictsAgree(seed: UInt64) throws {
        var maker = Maker(generator: SeededGenerator(seed: 10_000 + seed))
        let policy = try maker.policy()
        for _ in 0..<5 {
            let request = maker.request()
            let time = maker.moment()
            switch policy.decide(request, time: time) {
            case .allowed(let rule, _):
                #expect(policy.verdicts(request, time: time).first { $0.isMet }?.rule == rule)
            case .needsApprovals(let shortage):
                let verdict = policy.verdicts(request, time: time).first { $0.rule == shortage.rule }
                #expect(verdict?.reasons.isEmpty == true)
                #expect(verdict?.shortage == shortage)
            case .refused(let reasons):
                let told = policy.verdicts(request, time: time).flatMap(\.reasons)
                for reason in reasons where reason.rule != nil { #expect(told.contains(reason)) }
            }
        }
    }

    @Test("a policy with commands and windows is written as it was read", arguments: 0..<UInt64(200))
    func roundTrips(seed: UInt64) throws {
        var maker = Maker(generator: SeededGenerator(seed: 20_000 + seed))
        let policy = try maker.policy()
        let again = try FleetPolicy(parsing: policy.bytes)
        #expect(again.bytes == policy.bytes)
        #expect(again == policy)
        #expect(again.unknownParts.isEmpty)
    }

    @Test("what a damaged policy parses to is written and read the same, and allows nothing by a part it does not know")
    func survivesMutation() async throws {
        for seed in 0..<UInt64(8) {
            var maker = Maker(generator: SeededGenerator(seed: 30_000 + seed))
            let policy = try maker.policy()
            await Task.yield()
            Mutations.of(policy.bytes, limit: 250) { bytes in
                guard let damaged = try? FleetPolicy(parsing: bytes) else { return }
                #expect((try? FleetPolicy(parsing: damaged.bytes)) == damaged)
                let request = maker.request()
                if case .allowed(let name, _) = damaged.decide(request, time: maker.moment()) {
                    #expect(damaged.rules.first { $0.name == name }?.notUnderstood == [])
                }
            }
        }
    }
}

extension PolicyRule {
    /// The same rule with other approvals.
    func with(approvals: Approvals) -> PolicyRule {
        PolicyRule(
            name: name,
            allow: allow,
            who: who,
            nodes: nodes,
            packages: packages,
            tags: tags,
            logins: logins,
            commands: commands,
            windows: windows,
            approvals: approvals
        )
    }
}
