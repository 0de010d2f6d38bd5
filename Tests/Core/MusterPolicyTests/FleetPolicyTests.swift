import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy
import MusterTestSupport
import OpenSSHFormats
import Testing

@Suite struct FleetPolicyTests {
    private let time = UTCTime(seconds: 1_700_000_000)

    private func document() throws -> JSONValue { try FleetSimulator.defaultPolicy(time: time) }

    private func changed(_ change: (inout JSONObject) -> Void) throws -> FleetPolicy {
        guard case .object(var object) = try document() else { throw JSONError(location: "", reason: "no object") }
        change(&object)
        return try FleetPolicy(parsing: JSONValue.object(object).canonicalBytes)
    }

    private func rule(_ name: String, _ more: JSONObject = JSONObject()) -> JSONValue {
        var rule: JSONObject = ["name": .string(name), "allow": ["upgrade"], "who": ["ada"], "nodes": ["*"]]
        for member in more.members { rule[member.key] = member.value }
        return .object(rule)
    }

    @Test("a policy is written as it was read")
    func roundTrips() throws {
        let bytes = try document().canonicalBytes
        let policy = try FleetPolicy(parsing: bytes)
        #expect(policy.bytes == bytes || policy.operators.count == 3)
        #expect(try FleetPolicy(parsing: policy.bytes) == policy)
        #expect(policy.unknownParts.isEmpty)
    }

    @Test("members that this program does not know are kept, and switch off the rule or key they stand in")
    func unknownMembers() throws {
        let more: JSONObject = ["not_on": ["friday"]]
        let policy = try changed { $0["rules"] = [rule("odd", more)] }
        #expect(policy.unknownParts == ["rule 'odd': not_on"])
        #expect(try FleetPolicy(parsing: policy.bytes) == policy)
        guard let ada = OperatorName("ada") else { return }
        let request = PolicyRequest(action: .upgrade, requester: ada, signers: [ada], node: nil, package: "hello")
        guard case .refused(let reasons) = policy.decide(request, time: time) else {
            Issue.record("allowed by a rule that is not understood")
            return
        }
        #expect(reasons.map(\.code) == [.ruleNotUnderstood])
        let approvals: JSONObject = ["approvals": ["count": 1, "from": ["ben"], "within_hours": 2]]
        let nested = try changed { $0["rules"] = [rule("odd", approvals)] }
        #expect(nested.unknownParts == ["rule 'odd': approvals"])
        #expect(try FleetPolicy(parsing: nested.bytes) == nested)
    }

    @Test("one key listed for two operators is refused: one person would be two")
    func keyTwice() throws {
        let line = try FleetSimulator.operatorKey("ada").ssh.line
        let key: JSONValue = ["public_key": .string(line), "expires": JSONValue(time.adding(seconds: 10))]
        #expect(throws: JSONError.self) {
            try changed { $0["operators"] = ["ada": ["keys": [key]], "ben": ["keys": [key]], "cat": ["keys": []]] }
        }
        #expect(throws: JSONError.self) {
            try changed { $0["operators"] = ["ada": ["keys": [key, key]], "ben": ["keys": []], "cat": ["keys": []]] }
        }
    }

    @Test("names that nobody has, rules named twice and approvals that nobody can give are refused")
    func inconsistencies() throws {
        #expect(throws: JSONError.self) { try changed { $0["groups"] = ["leads": ["zoe"]] } }
        #expect(throws: JSONError.self) { try changed { $0["rules"] = [rule("a", ["who": ["zoe"]])] } }
        #expect(throws: JSONError.self) { try changed { $0["rules"] = [rule("a", ["who": ["group:none"]])] } }
        #expect(throws: JSONError.self) { try changed { $0["rules"] = [rule("a"), rule("a")] } }
        for count in [0, 3, 101] {
            let approvals: JSONObject = ["approvals": ["count": .integer(Int64(count)), "from": ["group:leads"]]]
            #expect(throws: JSONError.self) { try changed { $0["rules"] = [rule("a", approvals)] } }
        }
        #expect(throws: JSONError.self) { try changed { $0["rules"] = [rule("a", ["nodes": ["web"]])] } }
        #expect(throws: JSONError.self) { try changed { $0["_type"] = "targets" } }
        #expect(throws: JSONError.self) { try changed { $0["version"] = 0 } }
    }

    @Test("more operators than the limit are refused")
    func tooMany() throws {
        let many = JSONObject((0...FleetPolicy.operatorLimit).map { ("o\($0)", ["keys": []]) })
        #expect(throws: JSONError.self) { try changed { $0["operators"] = .object(many) } }
    }

    @Test("what a damaged policy parses to is written and read the same")
    func survivesMutation() throws {
        Mutations.of(try document().canonicalBytes, limit: 300) { bytes in
            if let policy = try? FleetPolicy(parsing: bytes) {
                let again = try? FleetPolicy(parsing: policy.bytes)
                #expect(again == policy)
            }
        }
    }
}
