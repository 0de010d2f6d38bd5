import ByteCoding
import MusterModel
import MusterPolicy

/// A question to a policy as people ask it: who wants to do what, where, with whose consent, and with which arguments.
struct PolicyQuestion: Hashable, Sendable {
    /// The three answers.
    enum Word: String, Hashable, Sendable, CaseIterable {
        case allowed
        case needsApproval = "needs-approval"
        case refused
    }

    /// What a policy answers.
    struct Answer: Hashable, Sendable {
        let word: Word
        /// The rule that allows, or lacks approvals alone.
        let rule: String?
        /// The answer with its reasons.
        let text: String
        /// The codes of the reasons against it.
        let codes: [String]
        /// The approvals that are missing.
        let shortage: PolicyDecision.Shortage?
    }

    /// The code of a refusal since a command takes no such arguments.
    static let argumentsCode = "arguments-refused"

    var request: PolicyRequest
    /// Arguments of a run; nil where the question is not about any.
    var arguments: [ParameterName: [String]]?
    /// Variables of a run.
    var environment: [String: String] = [:]

    func answer(_ policy: FleetPolicy, at time: UTCTime) -> Answer {
        let decision = policy.decide(request, time: time)
        switch decision {
        case .refused(let reasons):
            return Answer(
                word: .refused,
                rule: nil,
                text: decision.description,
                codes: reasons.map(\.code.rawValue),
                shortage: nil
            )
        case .allowed(let rule, _):
            return fitted(
                Answer(word: .allowed, rule: rule, text: decision.description, codes: [], shortage: nil),
                policy
            )
        case .needsApprovals(let shortage):
            return fitted(
                Answer(
                    word: .needsApproval,
                    rule: shortage.rule,
                    text: decision.description,
                    codes: [PolicyReason.Code.approvalsMissing.rawValue],
                    shortage: shortage
                ),
                policy
            )
        }
    }

    /// The answer unless the command takes no such arguments: then a node refuses whatever the rules say.
    private func fitted(_ answer: Answer, _ policy: FleetPolicy) -> Answer {
        guard request.action == .run, let arguments, let name = request.command, let command = policy.commands[name]
        else { return answer }
        do throws(CommandProblem) {
            _ = try command.resolve(arguments, environment: environment)
            return answer
        } catch {
            return Answer(
                word: .refused,
                rule: nil,
                text: "not allowed: command '\(name)': \(error)",
                codes: [Self.argumentsCode],
                shortage: nil
            )
        }
    }
}
