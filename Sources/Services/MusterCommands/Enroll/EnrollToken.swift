import ArgumentParser
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterKeys
import MusterModel
import SignatureVerification

struct EnrollToken: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Sign an enroll statement and print the token that a node joins with.",
        discussion: """
            The token is shown once and kept nowhere; the service only learns the hash of its secret. It pins the fleet, so
            a node that is given it believes no other.
            """
    )

    @Option(name: .customLong("tag"), help: ArgumentHelp("A tag for the nodes; may be repeated.", valueName: "tag"))
    var tags: [TagArgument] = []

    @Option(help: "How many nodes may use it.") var uses = 1

    @Option(help: ArgumentHelp("How long it is good for, such as 24h or 7d.", valueName: "span"))
    var expires = TimeSpan(seconds: 86400)

    @Flag(help: "As JSON.") var json = false

    func validate() throws {
        guard (1...100_000).contains(uses) else { throw ValidationError("--uses is not within 1 to 100000") }
    }

    func run(_ context: CommandContext) async throws {
        let fleet = try context.folder.fleet()
        guard
            let token = EnrollmentToken(
                fleet: fleet.fleet,
                secret: RandomBytes.make(EnrollmentToken.secretLength)
            )
        else { throw CommandFailure.refused("cannot make a token") }
        let body = EnrollBody(
            tags: tags.map(\.tag),
            proof: .secret(sha256: Digest.sha256(token.secret), uses: uses)
        )
        let statement = try await context.signedStatement(.enroll(body), lifetime: expires.seconds)
        let reply = try await context.withService { service in
            try await service.authorized { try await $0.send(statement, session: $1) }
        }
        let command = "muster-agent enroll --service \(fleet.service) --token-fd 0"
        if json {
            context.terminal.json([
                "token": .string(token.line), "command": .string(command), "statement": JSONValue(reply.id),
                "expires": JSONValue(statement.statement.expires),
            ])
            return
        }
        context.terminal.line(token.line)
        context.terminal.note(
            "good for \(uses) node\(uses == 1 ? "" : "s") until \(statement.statement.expires); on the node run, and paste it:"
        )
        context.terminal.note("  \(command)")
    }
}
