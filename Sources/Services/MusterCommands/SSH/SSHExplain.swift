import ArgumentParser
import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel
import MusterPolicy

struct SSHExplain: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Would this login work? By which rule, and if not, what is missing?",
        discussion: """
            Decides by the trusted policy, as the node itself would, and looks at what the node says of its sshd. Signs
            nothing and asks for no certificate.

            exit status: 0 it would work now; 1 it would not, or needs approvals first; 2 it could not be found out.
            """
    )

    @Option(name: .customLong("as"), help: ArgumentHelp("The account to log in as.", valueName: "user"))
    var account: NameArgument<AccountName>

    @Option(name: .customLong("on"), help: ArgumentHelp("The node: its name, id or address.", valueName: "node"))
    var node: String

    @Option(
        name: .customLong("operator"),
        help: ArgumentHelp("Who would log in; you unless given.", valueName: "name")
    )
    var person: NameArgument<OperatorName>?

    @Option(help: ArgumentHelp("The command that the certificate would be for.", valueName: "text"))
    var command: String?

    @Flag(help: "As JSON.") var json = false

    func run(_ context: CommandContext) async throws {
        let name = try person?.name ?? context.folder.operatorIdentity().name
        let found = try await context.withService { service in
            let view = try await TrustedView.refresh(context, service.client)
            guard let asked = HostName(node), let host = try await HostBook.fetch(service, context).find(asked) else {
                throw CommandFailure.refused("there is no node '\(node)': see 'muster node list'")
            }
            let record = try await service.reading { try await $0.node(host.node, session: $1) }
            let revocations = try? await service.reading { try await $0.revocations(session: $1) }
            return try LoginExplanation(
                login: PolicyLogin(account: account.name, command: command),
                requester: name,
                node: record,
                policy: try view.policy(),
                trust: view.sshDocument.map { try SSHTrust(parsing: $0) },
                revocations: revocations,
                time: context.now()
            )
        }
        if json {
            context.terminal.json(found.json)
        } else {
            for line in found.lines { context.terminal.line(line) }
        }
        if !found.works { throw ExitCode(CommandFailure.Status.failed.rawValue) }
    }
}
