import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy

/// One decision with all that led to it: what each rule says, and what stands against it besides.
struct PolicyExplanation: Sendable {
    let question: PolicyQuestion
    let answer: PolicyQuestion.Answer
    let time: UTCTime
    let verdicts: [RuleVerdict]
    /// What stands against it besides the rules, or will not count.
    let remarks: [String]
    /// What would run; nil where the question is about no run, or the arguments do not fit.
    let resolved: ResolvedCommand?

    init(_ question: PolicyQuestion, policy: FleetPolicy, time: UTCTime) {
        self.question = question
        self.time = time
        answer = question.answer(policy, at: time)
        verdicts = policy.verdicts(question.request, time: time)
        var remarks: [String] = []
        for name in question.request.signers.sorted() {
            Self.look(at: name, policy, time, &remarks)
            let counts = verdicts.isEmpty || name == question.request.requester
            let named = policy.rules.filter { $0.allow.contains(question.request.action) }
                .contains { rule in rule.approvals.map { policy.isMember(name, of: $0.from) } ?? false }
            if !counts, !named { remarks.append("no rule for this counts the approval of \(name)") }
        }
        self.remarks = remarks
        if question.request.action == .run, let name = question.request.command, let command = policy.commands[name] {
            resolved = try? command.resolve(question.arguments ?? [:], environment: question.environment)
        } else {
            resolved = nil
        }
    }

    private static func look(
        at name: OperatorName,
        _ policy: FleetPolicy,
        _ time: UTCTime,
        _ remarks: inout [String]
    ) {
        guard let person = policy.operators[name] else {
            remarks.append("\(name) is not an operator of the policy")
            return
        }
        let obstacles = person.keys.map { policy.obstacle(to: $0, of: name, at: time) }
        if obstacles.allSatisfy({ $0 != nil }) {
            remarks.append(obstacles.compactMap(\.self).first ?? "\(name) has no key in the policy")
        }
    }

    // MARK: - Showing

    var lines: [StyledText] {
        let style: StyledText.Style = answer.word == .allowed ? .good : answer.word == .refused ? .loud : .warning
        var lines = [
            StyledText("\(title), at \(time): ", .bold) + StyledText(answer.word.rawValue, style),
            StyledText("  \(answer.text)"),
        ]
        if let resolved {
            lines.append(
                StyledText("  runs: \(resolved.argv.map(RunWords.quoted).joined(separator: " ")) as \(resolved.user)")
            )
        }
        lines += remarks.map { StyledText("  but: \($0)", .warning) }
        for verdict in verdicts {
            lines.append(StyledText("rule '\(verdict.rule)': ") + Self.text(verdict))
        }
        return lines
    }

    var json: JSONValue {
        var object: JSONObject = [
            "answer": .string(answer.word.rawValue), "decision": .string(answer.text), "at": JSONValue(time),
            "reasons": .array(answer.codes.map { .string($0) }), "remarks": .array(remarks.map { .string($0) }),
            "rules": .array(verdicts.map(Self.json)),
        ]
        if let rule = answer.rule { object["rule"] = .string(rule) }
        if let shortage = answer.shortage { object["approvals"] = Self.json(shortage) }
        if let resolved { object["argv"] = .array(resolved.argv.map { .string($0) }) }
        return .object(object)
    }

    private var title: String {
        let request = question.request
        var text = "\(request.requester): \(request.action)"
        if let command = request.command, request.action == .run { text += " \(command)" }
        if let package = request.package { text += " \(package)" }
        if let login = request.login { text += " as \(login.account)" }
        if request.action.isAboutTags {
            text += request.tags.isEmpty ? ", changing no tag" : ", changing \(Self.list(request.tags))"
        }
        guard let node = request.node else { return text }
        let tags = node.tags.isEmpty ? "without tags" : "with \(Self.list(node.tags))"
        return text + " on \(node.id.map { "node \($0) " } ?? "a node ")\(tags)"
    }

    private static func list(_ tags: Set<Tag>) -> String { tags.sorted().map(\.text).joined(separator: ", ") }

    private static func text(_ verdict: RuleVerdict) -> StyledText {
        if verdict.isMet { return StyledText("allows it", .good) }
        var texts = verdict.reasons.map(\.text)
        if let shortage = verdict.shortage {
            let names = shortage.from.map(\.text).joined(separator: ", ")
            let more = "\(shortage.missing) more approval\(shortage.missing == 1 ? "" : "s")"
            texts.append(names.isEmpty ? "\(more), which nobody is left to give" : "\(more) of \(names)")
        }
        return StyledText(texts.joined(separator: "; "), verdict.reasons.isEmpty ? .warning : .faint)
    }

    private static func json(_ verdict: RuleVerdict) -> JSONValue {
        var object: JSONObject = [
            "rule": .string(verdict.rule), "met": .bool(verdict.isMet),
            "reasons": .array(
                verdict.reasons.map { reason in
                    var object: JSONObject = ["code": .string(reason.code.rawValue), "text": .string(reason.text)]
                    if let opens = reason.opens { object["opens"] = JSONValue(opens) }
                    return .object(object)
                }
            ),
        ]
        if let shortage = verdict.shortage { object["approvals"] = json(shortage) }
        return .object(object)
    }

    private static func json(_ shortage: PolicyDecision.Shortage) -> JSONValue {
        ["need": JSONValue(shortage.need), "have": JSONValue(shortage.have), "from": JSONValue(shortage.from)]
    }
}
