import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy

/// A decision that a policy's author expects, checked before the policy is signed.
///
/// ```
/// tests:
///   - name: cat restarts web servers by day
///     as: cat
///     action: run
///     command: restart-web
///     arguments: {unit: nginx}
///     node: {tags: [web]}
///     at: 2027-01-12T10:00:00Z
///     approved_by: [ada]
///     expect: allowed              # or needs-approval, refused
///     rule: web restarts           # which rule it is that allows, or lacks approvals alone
/// ```
/// `user` is the account of an `ssh-certificate`, `tags` the tags of an `enroll` or all new ones of a `tag-node`, whose
/// present tags are those of `node`. Without `node` it is one without tags; without `arguments` any that fit are meant;
/// without `at` it is now. `security: true` asks about a release that closes a security hole. `reason` expects a reason of this code among those of a refusal.
struct PolicyTest: Sendable {
    static let members = [
        "name", "as", "action", "command", "arguments", "environment", "package", "user", "tags", "node", "at",
        "approved_by", "expect", "rule", "reason", "security",
    ]

    /// How a test went.
    struct Outcome: Sendable {
        let test: PolicyTest
        let answer: PolicyQuestion.Answer
        /// What differs from what was expected; nil where nothing does.
        let difference: String?

        var json: JSONValue {
            var object: JSONObject = [
                "name": .string(test.name), "line": .integer(Int64(test.line)), "passed": .bool(difference == nil),
                "expect": .string(test.expect.rawValue), "found": .string(answer.word.rawValue),
                "decision": .string(answer.text),
            ]
            if let rule = answer.rule { object["rule"] = .string(rule) }
            if let difference { object["difference"] = .string(difference) }
            return .object(object)
        }
    }

    let name: String
    let file: String
    let line: Int
    let question: PolicyQuestion
    let at: UTCTime?
    let expect: PolicyQuestion.Word
    let rule: String?
    let reason: String?

    /// Reads the test at this place of a source.
    init(_ value: JSONValue, at path: String, _ document: YAMLDocument) throws(JSONError) {
        let fields = try JSONFields(value, at: path)
        let place = document.mistake(at: path, "")
        file = place.file
        line = place.line
        name = try fields.string("name", limit: 256)
        at = try fields.optional("at") { fields, key throws(JSONError) in try fields.time(key) }
        rule = try fields.optional("rule") { fields, key throws(JSONError) in try fields.string(key, limit: 128) }
        reason = try fields.optional("reason") { fields, key throws(JSONError) in try fields.string(key, limit: 64) }
        let word = try fields.string("expect", limit: 64)
        guard let expect = PolicyQuestion.Word(rawValue: word) else {
            let words = PolicyQuestion.Word.allCases.map(\.rawValue)
            throw fields.error("expect", "'\(word)' is not one of \(words.joined(separator: ", "))")
        }
        self.expect = expect
        var question = PolicyQuestion(request: try Self.request(fields))
        if fields.has("arguments") {
            question.arguments = try Self.arguments(fields, document)
        }
        if fields.has("environment") {
            let texts = document.texts(try fields.value("environment"), fields.path(of: "environment"))
            question.environment = try JSONFields(["environment": texts], at: path).texts("environment", limit: 4096)
        }
        self.question = question
    }

    func run(_ policy: FleetPolicy, now: UTCTime) -> Outcome {
        let answer = question.answer(policy, at: at ?? now)
        return Outcome(test: self, answer: answer, difference: difference(answer))
    }

    private func difference(_ answer: PolicyQuestion.Answer) -> String? {
        guard answer.word == expect else {
            return "expected \(expect.rawValue), found \(answer.word.rawValue): \(answer.text)"
        }
        if let rule, answer.rule != rule {
            return answer.rule.map { "expected rule '\(rule)', found rule '\($0)'" }
                ?? "expected rule '\(rule)', found no rule: \(answer.text)"
        }
        if let reason, !answer.codes.contains(reason) {
            return "expected the reason \(reason), found \(answer.codes.joined(separator: ", ")): \(answer.text)"
        }
        return nil
    }

    // MARK: - Reading

    private static func request(_ fields: JSONFields) throws(JSONError) -> PolicyRequest {
        let action = try fields.string("action", limit: 64)
        guard PolicyForm.actions.contains(action) else {
            let hint = NearName.hint(action, among: PolicyForm.actions)
            throw fields.error("action", "'\(action)' is no action\(hint)")
        }
        let requester: OperatorName = try fields.name("as")
        let approvers: [OperatorName] =
            try fields.optional("approved_by") { fields, key throws(JSONError) in try fields.names(key, limit: 100) }
            ?? []
        let tags: [Tag] =
            try fields.optional("tags") { fields, key throws(JSONError) in try fields.names(key, limit: 64) } ?? []
        let node = try node(fields, action, Set(tags))
        var request = PolicyRequest(
            action: PolicyAction(rawValue: action),
            requester: requester,
            signers: Set(approvers).union([requester]),
            node: node
        )
        request.package = try fields.optional("package") { fields, key throws(JSONError) in
            try fields.string(key, limit: 256)
        }
        request.isSecurity = fields.has("security") ? try fields.bool("security") : false
        if request.action == .enroll { request.tags = Set(tags) }
        if request.action == .tagNode { request.tags = Set(tags).symmetricDifference(node?.tags ?? []) }
        if request.action == .run { request.command = try fields.name("command") }
        if request.action == .sshCertificate {
            let command = try fields.optional("command") { fields, key throws(JSONError) in
                try fields.string(key, limit: SSHCertificateBody.commandLimit)
            }
            request.login = PolicyLogin(account: try fields.name("user"), command: command)
        }
        return request
    }

    private static func node(
        _ fields: JSONFields,
        _ action: String,
        _ tags: Set<Tag>
    ) throws(JSONError) -> NodeFacts? {
        let action = PolicyAction(rawValue: action)
        guard fields.has("node") else {
            if action == .enroll { return NodeFacts(id: nil, tags: tags) }
            return action == .revoke ? nil : NodeFacts(id: nil, tags: [])
        }
        let node = try fields.fields("node")
        guard action != .enroll else {
            throw fields.error("node", "a node that joins has the tags that it is given: say 'tags' alone")
        }
        let present: [Tag] =
            try node.optional("tags") { fields, key throws(JSONError) in try fields.names(key, limit: 64) } ?? []
        let id: NodeID? = try node.optional("id") { fields, key throws(JSONError) in try fields.name(key) }
        return NodeFacts(id: id, tags: Set(present))
    }

    private static func arguments(
        _ fields: JSONFields,
        _ document: YAMLDocument
    ) throws(JSONError) -> [ParameterName: [String]] {
        let path = fields.path(of: "arguments")
        let members = try JSONFields(document.texts(try fields.value("arguments"), path), at: path)
        var arguments: [ParameterName: [String]] = [:]
        for key in members.object.keys {
            guard let name = ParameterName(key) else { throw members.error(key, "is not \(ParameterName.form)") }
            if case .string(let text)? = members.object[key] {
                arguments[name] = [text]
            } else {
                arguments[name] = try members.strings(key, limit: CommandParameter.listLimit)
            }
        }
        return arguments
    }
}
