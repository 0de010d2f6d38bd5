import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy
import MusterTestSupport
import OpenSSHFormats
import Testing

/// Windows, freezes, limits and urgency.
@Suite struct PolicyHoursTests {
    /// Tuesday, 2027-01-12, noon.
    private let noon: UTCTime
    private let ada: OperatorName
    private let ben: OperatorName

    init() throws {
        noon = try #require(UTCTime("2027-01-12T12:00:00Z"))
        ada = try #require(OperatorName("ada"))
        ben = try #require(OperatorName("ben"))
    }

    private func window(_ from: Int64, _ to: Int64, days: [TimeWindow.Weekday]? = nil) throws -> TimeWindow {
        try TimeWindow(
            days: days,
            from: from * 60,
            to: to * 60,
            zone: "UTC",
            offsets: [TimeWindow.Offset(from: noon.adding(seconds: -86400 * 30), minutes: 0)]
        )
    }

    private func rule(_ name: String, _ windows: [TimeWindow]?, approvals: Int = 0) -> PolicyRule {
        PolicyRule(
            name: name,
            allow: [.upgrade, .rollBack],
            who: [.person(ada)],
            nodes: [.every],
            windows: windows,
            approvals: approvals > 0 ? PolicyRule.Approvals(count: approvals, from: [.person(ben)]) : nil
        )
    }

    private func freeze(
        _ hours: ClosedRange<Int64>,
        security: Bool = false,
        on nodes: [NodeSelector] = [.every]
    )
        -> PolicyFreeze
    {
        PolicyFreeze(
            name: "closing",
            reason: "the books are closed",
            from: noon.adding(seconds: hours.lowerBound * 3600),
            until: noon.adding(seconds: hours.upperBound * 3600),
            nodes: nodes,
            exceptSecurity: security
        )
    }

    private func policy(
        _ rules: [PolicyRule],
        freezes: [PolicyFreeze] = [],
        urgency: PolicyUrgency = PolicyUrgency()
    ) throws -> FleetPolicy {
        var operators: [OperatorName: PolicyOperator] = [:]
        for name in [ada, ben] {
            operators[name] = PolicyOperator(keys: [
                PolicyKey(publicKey: try TestKey(name.text).ssh, expires: noon.adding(seconds: 86400 * 900))
            ])
        }
        let db = try #require(NodeTag("db"))
        return try FleetPolicy(
            version: 1,
            issued: noon.adding(seconds: -86400),
            expires: noon.adding(seconds: 86400 * 900),
            operators: operators,
            rules: rules,
            freezes: freezes,
            limits: [db: 1],
            urgency: urgency
        )
    }

    private func request(
        _ action: PolicyAction = .upgrade,
        security: Bool = false,
        signers: [OperatorName] = []
    )
        -> PolicyRequest
    {
        PolicyRequest(
            action: action,
            requester: ada,
            signers: Set(signers).union([ada]),
            node: NodeFacts(id: NodeID("n1"), tags: []),
            package: "hello",
            isSecurity: security
        )
    }

    private func later(_ hours: Int64) -> UTCTime { noon.adding(seconds: hours * 3600) }

    @Test("a freeze refuses upgrades that are allowed otherwise, with its reason and its end, and never a roll-back")
    func frozen() throws {
        let policy = try policy([rule("all", nil)], freezes: [freeze(0...5), freeze(5...7).named("more")])
        guard case .refused(let reasons) = policy.decide(request(), time: noon) else {
            Issue.record("allowed while frozen")
            return
        }
        #expect(reasons.map(\.code) == [.frozen])
        #expect(reasons.first?.opens == later(7))
        #expect(reasons.first?.text == "frozen by 'closing' until 2027-01-12T17:00:00Z: the books are closed")
        #expect(policy.decide(request(.rollBack), time: noon).isAllowed)
        #expect(policy.decide(request(), time: later(-1)).isAllowed)
        #expect(policy.decide(request(), time: later(7)).isAllowed)
        #expect(policy.decide(request(), time: noon, hours: .ignored).isAllowed)
    }

    @Test("a freeze lets security releases through where it says so, and binds only the nodes that it names")
    func exceptions() throws {
        let open = try policy([rule("all", nil)], freezes: [freeze(0...5, security: true)])
        #expect(open.decide(request(security: true), time: noon).isAllowed)
        #expect(!open.decide(request(), time: noon).isAllowed)
        let strict = try policy([rule("all", nil)], freezes: [freeze(0...5)])
        #expect(!strict.decide(request(security: true), time: noon).isAllowed)
        let web = try #require(NodeTag("web"))
        let other = try policy([rule("all", nil)], freezes: [freeze(0...5, on: [.tag(web)])])
        #expect(other.decide(request(), time: noon).isAllowed)
    }

    @Test("urgency lets security releases alone pass windows, and nothing that is not understood of it does")
    func urgency() throws {
        let night = rule("nights", [try window(22, 4)])
        let urgent = try policy([night], urgency: PolicyUrgency(skipsBake: true, ignoresWindows: true))
        #expect(urgent.decide(request(security: true), time: noon).isAllowed)
        #expect(!urgent.decide(request(), time: noon).isAllowed)
        #expect(!urgent.decide(request(.rollBack, security: true), time: noon).isAllowed)
        #expect(urgent.urgency.letsSecuritySkipBake)
        let fields = try JSONFields([
            "security": ["skip_bake": true, "ignore_windows": true, "only": "tuesdays"]
        ])
        let odd = try policy([night], urgency: try PolicyUrgency(fields))
        #expect(!odd.decide(request(security: true), time: noon).isAllowed)
        #expect(!odd.urgency.letsSecuritySkipBake)
        #expect(odd.unknownParts == ["urgency: security"])
    }

    @Test("hours say until when they are open or closed, over windows that touch and freezes between")
    func slots() throws {
        let rules = [rule("day", [try window(8, 13), try window(13, 18)])]
        let policy = try policy(rules, freezes: [freeze(24...25), freeze(20...22).named("night")])
        let hours = try #require(policy.hours(for: request()))
        #expect(hours.name == "rule 'day', freeze 'closing', freeze 'night'")
        #expect(hours.slot(at: noon) == .open(until: later(6)))
        let evening = hours.slot(at: later(6))
        #expect(!evening.isOpen)
        // The next morning at 8 it is frozen until 10.
        #expect(evening.until == later(22))
        #expect(
            evening.reason.hasPrefix("outside its hours (08:00-13:00 UTC, 13:00-18:00 UTC): they open at 2027-01-13T10")
        )
        #expect(hours.slot(at: later(22)) == .open(until: later(24)))
        #expect(hours.slot(at: later(24)).until == later(25))
        #expect(hours.slot(at: later(24)).reason.hasPrefix("frozen by 'closing'"))
    }

    @Test("hours are those of the rules that have their approvals, and always where one of them has no window")
    func whichRules() throws {
        let rules = [rule("nights", [try window(22, 4)]), rule("emergencies", nil, approvals: 1)]
        let policy = try policy(rules)
        #expect(try #require(policy.hours(for: request())).name == "rule 'nights'")
        #expect(try #require(policy.hours(for: request(signers: [ben]))).isAlways)
        #expect(policy.hours(for: request(.enroll)) == nil)
        let urgent = try self.policy([rules[0]], urgency: PolicyUrgency(ignoresWindows: true))
        #expect(try #require(urgent.hours(for: request(security: true))).isAlways)
    }

    @Test("hours that never open say so")
    func never() throws {
        let policy = try policy([rule("never", [])])
        let slot = try #require(policy.hours(for: request())).slot(at: noon)
        #expect(!slot.isOpen && slot.until == nil)
        #expect(slot.reason.contains("never open"))
    }

    @Test("what hours say agrees with the decision at every quarter of an hour of three weeks")
    func agrees() throws {
        let rules = [
            rule("nights", [try window(22, 4, days: [.monday, .tuesday, .friday])]), rule("noon", [try window(11, 13)]),
        ]
        let policy = try policy(rules, freezes: [freeze(30...50), freeze(49...80).named("more")])
        let hours = try #require(policy.hours(for: request()))
        var slot = hours.slot(at: noon)
        for quarter in 0..<(21 * 96) as Range<Int64> {
            let time = noon.adding(seconds: quarter * 900)
            let isAllowed = policy.decide(request(), time: time).isAllowed
            if !slot.holds(at: time) { slot = hours.slot(at: time) }
            #expect(slot.isOpen == isAllowed, "\(time)")
            if !slot.isOpen, let until = slot.until { #expect(hours.slot(at: until).isOpen, "\(time)") }
        }
    }

    @Test(
        "freezes, limits and urgency read back as they were, and a freeze that is not understood freezes all the same"
    )
    func documents() throws {
        let policy = try policy(
            [rule("all", nil)],
            freezes: [freeze(0...5, security: true)],
            urgency: PolicyUrgency(skipsBake: true, ignoresWindows: true)
        )
        #expect(try FleetPolicy(parsing: policy.bytes) == policy)
        guard case .object(var object) = policy.json, case .array(let freezes)? = object["freezes"],
            case .object(var odd) = try #require(freezes.first)
        else { return }
        odd["only"] = "packages"
        object["freezes"] = [.object(odd)]
        let read = try FleetPolicy(JSONFields(.object(object)))
        #expect(!read.decide(request(), time: noon).isAllowed)
        #expect(read.unknownParts == ["freeze 'closing': only"])
        for (member, value) in [("until", "2027-01-12T12:00:00Z"), ("name", ""), ("from", "noon")] {
            var wrong = odd
            wrong[member] = .string(value)
            object["freezes"] = [.object(wrong)]
            #expect(throws: JSONError.self) { try FleetPolicy(JSONFields(.object(object))) }
        }
    }
}

extension PolicyFreeze {
    fileprivate func named(_ name: String) -> PolicyFreeze {
        PolicyFreeze(name: name, reason: reason, from: from, until: until, nodes: nodes, exceptSecurity: exceptSecurity)
    }
}
