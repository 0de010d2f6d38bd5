import ArgumentParser
import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy

struct PolicyExplain: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Who may do what, by which rule, and what is missing.",
        discussion: """
            With --as and --action: decides one question as a node would, and says what each rule says to it. Otherwise: lists
            what everybody may do, or --as one, or by one --action.

            Asks the published policy, or FILE, a policy's source. A node is meant by --node, whose tags the service tells
            unless FILE is given, or by --tag. Signs nothing.

            exit status: 0 allowed, or listed; 1 refused, or approvals are missing; 2 it could not be found out.
            """
    )

    @Argument(help: ArgumentHelp("A policy's source; the published policy unless given.", valueName: "file.yaml"))
    var file: String?

    @Option(name: .customLong("as"), help: ArgumentHelp("Who asks.", valueName: "operator"))
    var person: NameArgument<OperatorName>?

    @Option(help: ArgumentHelp("What is asked for: run, upgrade, ssh-certificate, tag-node, ….", valueName: "action"))
    var action: String?

    @OptionGroup var subject: PolicySubjectOptions

    @Option(help: ArgumentHelp("When; now unless given.", valueName: "YYYY-MM-DDTHH:MM:SSZ")) var at: MomentArgument?

    @Option(help: ArgumentHelp("Who approves; several times for several.", valueName: "operator"))
    var approvedBy: [NameArgument<OperatorName>] = []

    @Flag(help: "As JSON.") var json = false

    func run(_ context: CommandContext) async throws {
        let (policy, node) = try await asked(context)
        if let action, !PolicyForm.actions.contains(action) {
            let hint = NearName.hint(action, among: PolicyForm.actions)
            throw CommandFailure.usage("'\(action)' is no action\(hint)")
        }
        guard let person, let action else { return overview(policy, context) }
        let question = try subject.question(
            PolicyAction(rawValue: action),
            person.name,
            approvers: approvedBy.map(\.name),
            node: node
        )
        let explanation = PolicyExplanation(question, policy: policy, time: at?.time ?? context.now())
        if json {
            context.terminal.json(explanation.json)
        } else {
            for line in explanation.lines { context.terminal.line(line) }
        }
        if explanation.answer.word != .allowed { throw ExitCode(CommandFailure.Status.failed.rawValue) }
    }

    /// The policy, and the node where the service has to tell its tags.
    private func asked(_ context: CommandContext) async throws -> (policy: FleetPolicy, node: NodeFacts?) {
        if let file {
            let now = context.now()
            let review = try PolicyReview(file: file, expires: now.adding(seconds: 365 * 86400), now: now)
            return (try review.policy(context.terminal).policy, try subject.node(nil))
        }
        return try await context.withService { service in
            let policy = try await TrustedView.refresh(context, service.client).policy()
            guard let name = subject.node else { return (policy, try subject.node(nil)) }
            return (policy, try subject.node(try await NodeChoice.find(name, service)))
        }
    }

    private func overview(_ policy: FleetPolicy, _ context: CommandContext) {
        var all: [(who: OperatorName, what: [String])] = []
        for name in policy.operators.keys.sorted() where person.map({ $0.name == name }) ?? true {
            let rules = policy.rules.filter { policy.isMember(name, of: $0.who) }
            let grants = rules.flatMap { PolicyGrant.of($0, policy) }.filter {
                action == nil || $0.action.rawValue == action
            }
            let strongest = grants.filter { grant in !grants.contains { $0 != grant && $0.covers(grant) } }
            all.append((name, GrantText.lines(strongest)))
        }
        if json {
            context.terminal.json(
                [
                    "operators": .array(
                        all.map { ["name": JSONValue($0.who), "may": .array($0.what.map { .string($0) })] }
                    )
                ]
            )
            return
        }
        for entry in all {
            context.terminal.line(StyledText(entry.who.text, .bold) + (entry.what.isEmpty ? " may do nothing" : " may"))
            for line in entry.what { context.terminal.line("  \(line)") }
        }
    }
}
