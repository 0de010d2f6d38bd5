import ArgumentParser
import ByteCoding
import CanonicalJSON
import MusterPolicy

struct PolicyCheck: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Compile a policy and say what it means; touches nothing."
    )

    @Argument(help: ArgumentHelp("The policy's source.", valueName: "file.yaml"))
    var file: String

    @Flag(help: "Print the compiled document as JSON.") var json = false

    func run(_ context: CommandContext) async throws {
        let expires = context.now().adding(seconds: 365 * 86400)
        let policy = try PolicySource(file: file).compile(version: 1, issued: context.now(), expires: expires).policy
        if json {
            context.terminal.json(policy.json)
            return
        }
        for line in PolicySummary(policy, now: context.now()).lines { context.terminal.line(line) }
    }
}
