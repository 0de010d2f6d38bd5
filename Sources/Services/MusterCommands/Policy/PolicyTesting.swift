import ArgumentParser
import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy

struct PolicyTesting: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "test",
        abstract: "Compare a policy's decisions with those that its 'tests' expect; touches nothing.",
        discussion: """
            exit status: 0 every test passes; 1 one does not, or the file has mistakes; 2 the file could not be read.
            """
    )

    @Argument(help: ArgumentHelp("The policy's source.", valueName: "file.yaml"))
    var file: String

    @Flag(help: "As JSON.") var json = false

    func run(_ context: CommandContext) async throws {
        let now = context.now()
        let review = try PolicyReview(file: file, expires: now.adding(seconds: 365 * 86400), now: now)
        _ = try review.policy(context.terminal)
        if json {
            context.terminal.json(
                [
                    "file": .string(file), "tests": .array(review.outcomes.map(\.json)),
                    "failed": JSONValue(review.differing.count),
                    "untested_rules": .array(review.untested.map { .string($0) }),
                ]
            )
        } else {
            for outcome in review.outcomes { show(outcome, context.terminal) }
            if review.outcomes.isEmpty {
                context.terminal.note("\(file) has no tests: write what you expect under 'tests'")
            }
            if !review.outcomes.isEmpty, !review.untested.isEmpty {
                context.terminal.note("no test is decided by: \(review.untested.joined(separator: ", "))")
            }
        }
        guard review.differing.isEmpty else {
            throw CommandFailure.refused(
                "\(review.differing.count) of \(review.outcomes.count) tests of \(file) fail"
            )
        }
    }

    private func show(_ outcome: PolicyTest.Outcome, _ terminal: Terminal) {
        let name = StyledText("\(outcome.test.name): ")
        guard let difference = outcome.difference else {
            terminal.line(StyledText("passes ", .good) + name + StyledText(outcome.test.expect.rawValue, .faint))
            return
        }
        terminal.line(StyledText("FAILS  ", .loud) + name + StyledText("\(file):\(outcome.test.line)", .faint))
        terminal.line(StyledText("       \(difference)"))
    }
}
