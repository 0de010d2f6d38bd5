import ArgumentParser
import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel
import MusterSystem
import OpenSSHFormats

struct SSHRevoke: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "Revoke certificates: by serial, key ID, operator, node or key.",
        discussion: """
            Signs a 'revoke' statement. Every node gets the new list, checks it and acknowledges it; 'muster ssh status' says
            how far it has come, and --wait waits for every node in contact. What an operator may still ask for is the
            policy's business: take the key out of it where the key is lost.

            exit status: 0 revoked (with --wait: on every node in contact); 1 refused, or not everywhere in time; 2 it could
            not be found out.
            """
    )

    /// Seconds that such a statement may be on its way.
    private static let lifetime = 600

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Certificates by serial: 17, or 17-40 for all from 17 to 40.", valueName: "number")
    )
    var serial: [SerialRange] = []

    @Option(help: ArgumentHelp("Certificates by key ID.", valueName: "text")) var keyID: String?

    @Option(
        name: .customLong("operator"),
        help: ArgumentHelp("Every certificate that this operator was issued so far.", valueName: "name")
    )
    var person: NameArgument<OperatorName>?

    @Option(help: ArgumentHelp("Every certificate of this node, and every one asked for from it.", valueName: "node"))
    var node: String?

    @Option(help: ArgumentHelp("A public key (a .pub file), with every certificate it has.", valueName: "file"))
    var key: String?

    @Option(help: ArgumentHelp("Why, in one line; it is kept in the event log.", valueName: "text"))
    var reason: String

    @OptionGroup var known: KnownNodeOptions

    @Option(help: ArgumentHelp("Wait so long for every node in contact to have it.", valueName: "span"))
    var wait: TimeSpan?

    @Flag(help: "As JSON.") var json = false

    func validate() throws {
        let given = [!serial.isEmpty, keyID != nil, person != nil, node != nil, key != nil].count { $0 }
        guard given == 1 else {
            throw ValidationError("say what is revoked: one of --serial, --key-id, --operator, --node and --key")
        }
        guard node != nil || known.acceptNode.isEmpty else { throw ValidationError("--accept-node goes with --node") }
        guard serial.serials(limit: RevokeBody.serialLimit) != nil else {
            throw ValidationError("--serial takes at most \(RevokeBody.serialLimit) serials at once")
        }
        try StatedReason.validate(reason)
    }

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let body = RevokeBody(subject: try await subject(service, context), reason: reason)
            let statement = try await context.signedStatement(.revoke(body), lifetime: Self.lifetime)
            let reply = try await service.authorized { try await $0.send(statement, session: $1) }
            if !json { context.terminal.line(reply.detail.isEmpty ? reply.state : reply.detail) }
            let record = try await spread(service, context)
            if json {
                var object: JSONObject = ["reply": reply.json]
                object["revocations"] = record.json
                context.terminal.json(.object(object))
            } else {
                context.terminal.line(record.summary)
            }
            if wait != nil, record.count(.behind) > 0 { throw ExitCode(CommandFailure.Status.failed.rawValue) }
        }
    }

    private func subject(
        _ service: ServiceConnection,
        _ context: CommandContext
    ) async throws -> RevokeBody.Subject {
        if let serials = serial.serials(limit: RevokeBody.serialLimit), !serials.isEmpty { return .serials(serials) }
        if let keyID { return .keyID(keyID) }
        if let person { return .person(person.name) }
        if let node {
            let (record, names) = try await NodeChoice.named(node, known, service, context)
            names.tell(record, context)
            try await names.remember(context)
            return .node(record.id)
        }
        return .publicKey(try OperatorKey.publicKey(key ?? ""))
    }

    /// How far it has come, after the wait that was asked for.
    private func spread(_ service: ServiceConnection, _ context: CommandContext) async throws -> SSHRevocationsRecord {
        let deadline = ContinuousClock.now + .seconds(wait?.seconds ?? 0)
        while true {
            let record = try await service.reading { try await $0.revocations(session: $1) }
            if record.count(.behind) == 0 || ContinuousClock.now >= deadline { return record }
            try await Task.sleep(for: .milliseconds(500))
        }
    }
}
