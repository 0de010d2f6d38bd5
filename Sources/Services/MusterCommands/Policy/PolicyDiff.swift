import ArgumentParser
import ByteCoding
import CanonicalJSON
import MusterPolicy

struct PolicyDiff: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Who would gain and who would lose what, then the difference in the text.",
        discussion: """
            Compares the published policy, or with --from another file, with FILE: a policy's source or a staged policy.
            Without FILE, with the staged policy that waits for signatures here.

            exit status: 0 compared; 1 a file has mistakes, or with --exit-code nobody gains or loses nothing; 2 it could
            not be found out.
            """
    )

    @Argument(help: ArgumentHelp("The new policy.", valueName: "file.yaml|staged.json"))
    var file: String?

    @Option(help: ArgumentHelp("Compare with this source and not with the published policy.", valueName: "file.yaml"))
    var from: String?

    @Flag(help: "Leave out the difference in the text.") var brief = false

    @Flag(help: "Exit with status 1 where anybody gains or loses anything.") var exitCode = false

    @Flag(help: "As JSON.") var json = false

    func run(_ context: CommandContext) async throws {
        let before: FleetPolicy
        if let from {
            before = try Self.compile(from, version: 1, context)
        } else {
            before = try await context.withService { service in
                try FleetPolicy(parsing: try await TrustedView.refresh(context, service.client).policyDocument)
            }
        }
        let after = try new(before, context)
        let difference = PolicyDifference(from: before, to: after)
        if json {
            context.terminal.json(difference.json)
        } else {
            for line in difference.lines { context.terminal.line(line) }
            if !brief {
                let text = TextDifference.lines(from: before.json.prettyText, to: after.json.prettyText)
                if !text.isEmpty { context.terminal.line() }
                for line in text { context.terminal.line(line) }
            }
        }
        if exitCode, !difference.isEmpty { throw ExitCode(CommandFailure.Status.failed.rawValue) }
    }

    private func new(_ before: FleetPolicy, _ context: CommandContext) throws -> FleetPolicy {
        let path = file ?? "\(context.folder.staged)/policy-\(before.version + 1).json"
        guard path.hasSuffix(".json") else { return try Self.compile(path, version: before.version + 1, context) }
        if file == nil, from != nil { throw CommandFailure.usage("name the file to compare with --from's") }
        let staged: StagedMetadata
        do {
            staged = try StagedMetadata.read(path, role: "policy", fleet: context.folder.fleet().fleet)
        } catch  where file == nil {
            throw CommandFailure.undetermined("no policy is staged here: name the file to compare (\(error))")
        }
        return try OfflineSigning(role: "policy", context: context).stagedPolicy(staged, staged.targets())
    }

    private static func compile(_ file: String, version: Int64, _ context: CommandContext) throws -> FleetPolicy {
        let now = context.now()
        let review = try PolicyReview(
            file: file,
            version: version,
            expires: now.adding(seconds: 365 * 86400),
            now: now
        )
        return try review.policy(context.terminal).policy
    }
}
