import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy
import MusterTestSupport
import OpenSSHFormats
import Testing

/// Rules for runs of approved commands, rules with hours, and who may change which tags.
@Suite struct RunRuleTests {
    private let time = UTCTime(seconds: 1_700_000_000)

    private func policy(_ rules: [JSONObject], commands: JSONObject? = nil) throws -> FleetPolicy {
        guard case .object(var object) = try FleetSimulator.defaultPolicy(time: time) else {
            throw JSONError(location: "", reason: "no object")
        }
        object["commands"] = .object(
            commands ?? [
                "restart": ["argv": ["/bin/systemctl", "restart", "nginx"], "user": "root"],
                "odd": ["argv": ["/bin/true"], "user": "root", "sandbox": true],
            ]
        )
        object["rules"] = .array(
            rules.enumerated().map { index, members in
                var rule: JSONObject = [
                    "name": .string("rule \(index)"), "allow": ["run"], "who": ["ada"], "nodes": ["*"],
                ]
                for member in members.members { rule[member.key] = member.value }
                return .object(rule)
            }
        )
        return try FleetPolicy(parsing: JSONValue.object(object).canonicalBytes)
    }

    private func run(_ command: String, by names: [String] = ["ada"]) throws -> PolicyRequest {
        let signers = try names.map { try #require(OperatorName($0)) }
        return PolicyRequest(
            action: .run,
            requester: signers[0],
            signers: Set(signers),
            node: NodeFacts(id: NodeID("n1"), tags: []),
            command: CommandName(command)
        )
    }

    private func codes(_ decision: PolicyDecision) -> [PolicyReason.Code] {
        if case .refused(let reasons) = decision { return reasons.map(\.code) }
        return []
    }

    @Test("only a rule that names the command allows it; without commands a rule allows none")
    func commands() throws {
        #expect(try codes(policy([[:]]).decide(run("restart"), time: time)) == [.commandNotNamed])
        #expect(try policy([["commands": ["restart"]]]).decide(run("restart"), time: time).isAllowed)
        #expect(try policy([["commands": ["*"]]]).decide(run("restart"), time: time).isAllowed)
        #expect(try codes(policy([["commands": ["odd"]]]).decide(run("restart"), time: time)) == [.commandNotNamed])
        #expect(throws: JSONError.self) { try policy([["commands": ["*", "restart"]]]) }
        #expect(throws: JSONError.self) { try policy([["commands": ["nothing"]]]) }
    }

    @Test("a request without a command is no run")
    func withoutCommand() throws {
        var request = try run("restart")
        request.command = nil
        #expect(try codes(policy([["commands": ["*"]]]).decide(request, time: time)) == [.commandNotNamed])
    }

    @Test("a command that is not defined, or in words that this program does not know, is run by nobody")
    func unusable() throws {
        let policy = try policy([["commands": ["*"]]])
        #expect(codes(policy.decide(try run("reboot"), time: time)) == [.commandNotDefined])
        #expect(codes(policy.decide(try run("odd"), time: time)) == [.commandUnusable])
        #expect(policy.unknownParts == ["command 'odd': sandbox"])
        #expect(try FleetPolicy(parsing: policy.bytes).bytes == policy.bytes)
    }

    @Test("a definition of a later version is kept byte for byte")
    func laterDefinition() throws {
        let command: JSONValue = [
            "argv": ["/bin/true"], "user": "root", "seccomp": ["strict"],
            "parameters": ["when": ["type": "moment", "zone": "UTC"]],
        ]
        let policy = try policy([["commands": ["later"]]], commands: ["later": command])
        let later = try #require(CommandName("later"))
        #expect(policy.commands[later]?.json.canonicalBytes == command.canonicalBytes)
        #expect(policy.unknownParts == ["command 'later': seccomp, parameters.when.zone, parameters.when.type"])
    }

    @Test("more commands than the limit are refused")
    func tooMany() throws {
        let command: JSONValue = ["argv": ["/bin/true"], "user": "root"]
        func many(_ count: Int) -> JSONObject { JSONObject((0..<count).map { ("c\($0)", command) }) }
        #expect(try policy([], commands: many(FleetPolicy.commandLimit)).commands.count == 1000)
        #expect(throws: JSONError.self) { try policy([], commands: many(FleetPolicy.commandLimit + 1)) }
    }

    @Test("outside its window a rule allows nothing, and says when it next opens")
    func windows() throws {
        // 2023-11-14T22:13:20Z, a Tuesday.
        let window: JSONValue = [
            "days": ["wed"], "from": "08:00", "to": "18:00", "zone": "Europe/Berlin",
            "offsets": [["from": "2023-01-01T00:00:00Z", "minutes": 60]],
        ]
        let policy = try policy([["commands": ["restart"], "windows": [window], "approvals": approvals]])
        guard case .refused(let reasons) = policy.decide(try run("restart", by: ["ada", "ben"]), time: time) else {
            Issue.record("allowed at night")
            return
        }
        #expect(reasons.map(\.code) == [.outsideWindow])
        #expect(reasons[0].opens == UTCTime("2023-11-15T07:00:00Z"))
        #expect(reasons[0].text.contains("wed 08:00-18:00 Europe/Berlin"))
        #expect(reasons[0].text.contains("opens at 2023-11-15T07:00:00Z"))
        let morning = try #require(UTCTime("2023-11-15T07:00:00Z"))
        #expect(policy.decide(try run("restart", by: ["ada", "ben"]), time: morning).isAllowed)
        #expect(!policy.decide(try run("restart"), time: morning).isAllowed)
        let evening = try #require(UTCTime("2023-11-15T17:00:00Z"))
        #expect(codes(policy.decide(try run("restart", by: ["ada", "ben"]), time: evening)) == [.outsideWindow])
    }

    private var approvals: JSONValue { ["count": 1, "from": ["ben"]] }

    @Test("a window holds for every action, logins too")
    func windowsOfLogins() throws {
        let never: JSONObject = ["allow": ["ssh-certificate"], "users": ["*"], "windows": []]
        let policy = try policy([never])
        let ada = try #require(OperatorName("ada"))
        let request = PolicyRequest(
            action: .sshCertificate,
            requester: ada,
            signers: [ada],
            node: nil,
            login: PolicyLogin(account: try #require(AccountName("root")))
        )
        #expect(codes(policy.decide(request, time: time)) == [.outsideWindow])
        #expect(policy.loginGrants(request, time: time).isEmpty)
    }

    @Test("a rule with a window that this program does not understand allows nothing")
    func unknownWindow() throws {
        let window: JSONValue = [
            "from": "00:00", "to": "24:00", "zone": "UTC", "except": ["2023-12-25"],
            "offsets": [["from": "2023-01-01T00:00:00Z", "minutes": 0]],
        ]
        let policy = try policy([["commands": ["restart"], "windows": [window]]])
        #expect(codes(policy.decide(try run("restart"), time: time)) == [.ruleNotUnderstood])
        #expect(policy.unknownParts.contains("rule 'rule 0': windows: except"))
    }

    @Test("new tags are judged by those that change where the present ones are known")
    func tagChanges() throws {
        let policy = try policy([["allow": ["tag-node"], "tags": ["web"]]])
        func decide(_ present: [String]?, _ wanted: [String]) throws -> Bool {
            let statement = try FleetSimulator(time: time).statement(
                .tagNode(TagNodeBody(node: try #require(NodeID("n1")), tags: try wanted.map(tag))),
                by: ["ada"]
            )
            let node = try present.map { NodeFacts(id: NodeID("n1"), tags: Set(try $0.map(tag))) }
            let request = PolicyRequest(
                statement.statement,
                signers: [try #require(OperatorName("ada"))],
                node: node
            )
            return policy.decide(request, time: time).isAllowed
        }
        #expect(try decide([], ["web"]))
        #expect(try decide(["db"], ["db", "web"]))
        #expect(try decide(["db", "web"], ["db"]))
        #expect(try !decide(["db"], ["web"]), "takes away a tag of somebody else")
        #expect(try !decide(["db", "web"], []), "takes away a tag of somebody else")
        #expect(try !decide([], ["db"]))
        #expect(try decide(["db"], ["db"]))
        #expect(try !decide(nil, ["db", "web"]))
        #expect(try decide(nil, ["web"]))
    }

    private func tag(_ text: String) throws -> NodeTag { try #require(NodeTag(text)) }

    @Test("a policy of before keeps its exact bytes")
    func oldBytes() throws {
        let old = """
            {"_type":"policy","expires":"2027-01-01T00:00:00Z","groups":{"leads":["ada"]},\
            "issued":"2026-01-01T00:00:00Z","operators":{"ada":{"keys":[{"expires":"2027-01-01T00:00:00Z",\
            "public_key":"\(try FleetSimulator.operatorKey("ada").ssh.line)"}]}},\
            "rules":[{"allow":["upgrade"],"name":"a","nodes":["*"],"who":["group:leads"]}],"version":3}
            """
        #expect(try FleetPolicy(parsing: Array(old.utf8)).bytes == Array(old.utf8))
    }
}
