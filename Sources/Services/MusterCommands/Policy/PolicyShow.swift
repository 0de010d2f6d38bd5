import ArgumentParser
import CanonicalJSON
import MusterPolicy

struct PolicyShow: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "The policy that the nodes go by, as signed."
    )

    @Flag(help: "As JSON.") var json = false

    func run(_ context: CommandContext) async throws {
        let view = try await context.withService { try await TrustedView.refresh(context, $0.client) }
        let policy = try view.policy()
        if json {
            context.terminal.json(policy.json)
            return
        }
        context.terminal.line(StyledText("policy \(policy.version), issued \(policy.issued)", .bold))
        for line in PolicySummary(policy, now: context.now()).lines { context.terminal.line(line) }
    }
}
