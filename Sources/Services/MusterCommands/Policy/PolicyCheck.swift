import ArgumentParser
import ByteCoding
import CanonicalJSON
import MusterPolicy

struct PolicyCheck: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Look a policy over before it is signed: mistakes, tests, what it means; touches nothing.",
        discussion: """
            Names every mistake with its file, line and column, runs the file's tests, and says what is worth a second look:
            groups that no rule names, rules that can never be met, commands that nobody may run, keys that expire soon,
            secrets, shells.

            exit status: 0 no mistakes and every test passes; 1 mistakes, or a test fails, or with --strict a warning;
            2 the file could not be read.
            """
    )

    @Argument(help: ArgumentHelp("The policy's source.", valueName: "file.yaml"))
    var file: String

    @Flag(help: "Fail on warnings too.") var strict = false

    @Flag(help: "Say nothing of what the policy means.") var quiet = false

    @Flag(help: "As JSON, with the compiled document.") var json = false

    func run(_ context: CommandContext) async throws {
        let now = context.now()
        let review = try PolicyReview(file: file, expires: now.adding(seconds: 365 * 86400), now: now)
        if json {
            context.terminal.json(review.json)
            if !review.mistakes.isEmpty { throw review.failure }
        } else {
            show(try review.policy(context.terminal), review, context)
        }
        try review.requireTests(context.terminal)
        let warnings = review.remarks.filter(\.isWarning).count
        if strict, warnings > 0 { throw CommandFailure.refused("\(file) has \(warnings) warnings") }
    }

    private func show(_ compiled: PolicySource.Compiled, _ review: PolicyReview, _ context: CommandContext) {
        let policy = compiled.policy
        if !quiet {
            for line in PolicySummary(policy, now: context.now()).lines { context.terminal.line(line) }
        }
        for remark in review.remarks {
            let word = remark.isWarning ? StyledText("warning: ", .warning) : StyledText("note: ", .faint)
            context.terminal.line(word + StyledText(remark.place.description))
        }
        let passed = review.outcomes.count - review.differing.count
        context.terminal.line(
            StyledText("\(file): ", .bold)
                + StyledText(
                    RunWords.count(policy.operators.count, "operator") + ", "
                        + RunWords.count(policy.commands.count, "command") + ", "
                        + RunWords.count(policy.rules.count, "rule") + ", "
                )
                + StyledText(
                    review.outcomes.isEmpty ? "no tests" : "\(passed) of \(review.outcomes.count) tests pass",
                    review.differing.isEmpty ? .good : .loud
                )
        )
    }
}
