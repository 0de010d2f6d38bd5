import ArgumentParser
import MusterAPI
import MusterModel
import MusterPolicy

/// What a question to the policy is about, on the command line.
struct PolicySubjectOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The approved command, of a run.", valueName: "name"))
    var command: NameArgument<CommandName>?

    @Option(
        name: .customLong("arg"),
        help: ArgumentHelp("An argument of the run; several times for several.", valueName: "parameter=value")
    )
    var arguments: [PairArgument] = []

    @Option(help: ArgumentHelp("The package, of an upgrade or roll-back.", valueName: "name")) var package: String?

    @Flag(help: "The package is a security release.") var security = false

    @Option(help: ArgumentHelp("The account, of an ssh-certificate.", valueName: "account"))
    var user: NameArgument<AccountName>?

    @Option(
        help: ArgumentHelp("A tag that the node shall have, of an enroll or tag-node; several times.", valueName: "tag")
    )
    var give: [TagArgument] = []

    @Option(help: ArgumentHelp("The node: its name or id.", valueName: "node")) var node: String?

    @Option(help: ArgumentHelp("A tag that the node has; several times for several.", valueName: "tag"))
    var tag: [TagArgument] = []

    /// The node that is meant: the service's record of it, the id and tags given, or one with the tags given.
    func node(_ record: NodeRecord?) throws -> NodeFacts {
        let tags = Set(tag.map(\.tag))
        if let record { return NodeFacts(id: record.id, tags: tags.isEmpty ? Set(record.tags) : tags) }
        guard let node else { return NodeFacts(id: nil, tags: tags) }
        guard let id = NodeID(node) else { throw CommandFailure.usage("'\(node)' is not \(NodeID.form)") }
        return NodeFacts(id: id, tags: tags)
    }

    func question(
        _ action: PolicyAction,
        _ requester: OperatorName,
        approvers: [OperatorName],
        node: NodeFacts?
    ) throws -> PolicyQuestion {
        var request = PolicyRequest(
            action: action,
            requester: requester,
            signers: Set(approvers).union([requester]),
            node: action == .revoke ? nil : node
        )
        request.package = package
        request.isSecurity = security
        request.command = command?.name
        let given = Set(give.map(\.tag))
        switch action {
        case .enroll:
            request.tags = given
            request.node = NodeFacts(id: nil, tags: given)
        case .tagNode: request.tags = given.symmetricDifference(node?.tags ?? [])
        case .run:
            guard command != nil else { throw CommandFailure.usage("a run is of a command: --command NAME") }
        case .sshCertificate:
            guard let user else { throw CommandFailure.usage("a login is as an account: --user ACCOUNT") }
            request.login = PolicyLogin(account: user.name)
        default: break
        }
        return PolicyQuestion(request: request, arguments: arguments.isEmpty ? nil : try arguments.parameters())
    }
}
