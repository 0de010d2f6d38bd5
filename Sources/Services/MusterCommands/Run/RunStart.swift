import ArgumentParser
import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel
import MusterPolicy

struct RunStart: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "start",
        abstract: "Run an approved command on a subset of nodes (the default: muster run COMMAND).",
        discussion: """
            What the command is comes from the policy that you trust, which nodes are meant is worked out here, and both are
            shown: exactly what will run, where, as whom, until when, by which rule and with whose approval. Then it asks,
            signs all of that with your SSH key, sends it, and follows it to its end.

            SELECTOR: '*', tag:web, node:db1, name:web-*, os=debian, arch=amd64, state=online, agent < 0.2,
            version(tailscale) < 1.98 (as Debian compares versions), joined by not, and, or and parentheses; '10% of tag:web'
            and '3 of (…)' take the first ones in the order of names, per cent rounded up. What is unknown about a node (it
            never reported, or was last seen more than a day ago) neither selects it nor, behind not, fails to; it is left
            out and named. What no node has (a tag, a name, a package) is a mistake.

            ARGUMENTS after -- are NAME=VALUE, for lists several times. Secrets are sealed to each node's key and stand in no
            argument. The service shows the keys: the first one of a node is shown to you and remembered, and from then on
            only that one, or one that follows it by its own signature, is believed. With --yes nobody looks at a first one,
            so it needs --accept-node-key NAME, or --accept-new-node-keys for all. Which node a name means is remembered in
            the same way: where node:NAME means another one, it is refused until --accept-node NAME says that this is right;
            where such a node comes by a tag or an id, you are told each time until then. Output of the nodes goes to
            standard output and error with the node's name in front; everything else that is said goes to standard error.

            exit status: 0 all well; 10 some failed; 11 not all ran it; 12 unknown on some; 1, 2 and 130: 'muster help run'.
            """
    )

    @Argument(help: "The command's name in the policy.") var command: NameArgument<CommandName>

    @Option(name: .customLong("on"), help: ArgumentHelp("Which nodes.", valueName: "selector")) var selector: String

    @OptionGroup var time: RunTimeOptions

    @OptionGroup var spread: FanOutOptions

    @Option(
        name: .customLong("env"),
        help: ArgumentHelp("A variable that the command allows to be set; may be repeated.", valueName: "name=value")
    )
    var environment: [PairArgument] = []

    @OptionGroup var secrets: RunSecretOptions

    @OptionGroup var known: KnownNodeOptions

    @Option(help: ArgumentHelp("What it is for, in one line: approvers and the log show it.", valueName: "text"))
    var reason: String?

    @Option(help: "Who carries it out: the agents, or this machine over SSH.") var over = RunPath.agent

    @Option(help: "The port of the nodes' sshd, with --over ssh.") var sshPort: UInt16?

    @Flag(help: "Do not stay to watch.") var noWait = false

    @OptionGroup var output: RunOutputOptions

    @Flag(help: "Do not ask.") var yes = false

    @Argument(parsing: .postTerminator, help: ArgumentHelp("NAME=VALUE, after --.", valueName: "arguments"))
    var arguments: [PairArgument] = []

    func validate() throws {
        try StatedReason.validate(reason)
        guard over == .agent || !noWait else {
            throw ValidationError("--no-wait does not go with --over ssh: this machine carries the run out")
        }
        guard over == .ssh || sshPort == nil else { throw ValidationError("--ssh-port goes with --over ssh only") }
    }

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let policy = try await TrustedView.refresh(context, service.client).policy()
            let nodes = try await service.reading { try await $0.nodes(session: $1) }
            let chosen = try RunNodes.choose(selector, from: nodes, now: context.now())
            let names = try NamedNodes(chosen.records, said: chosen.said, known, context)
            let moments = try time.moments(now: context.now())
            let session = try over == .ssh ? RunOverSSHSession.prepare(context, port: sshPort ?? 22) : nil
            var proposal = RunProposal(
                body: try body(policy.commands[command.name], chosen, moments.notBefore),
                expires: moments.expires,
                nodes: chosen,
                policy: policy
            )
            proposal.body.ssh = session?.body
            try proposal.show(context, changed: names.changedNodes, quiet: output.json)
            for remark in names.remarks { context.terminal.note(StyledText("  \(remark)", .warning)) }
            let keys = try await secrets.keys(for: proposal, asking: !yes, context, service)
            let secrets = try secrets.values(for: proposal.body.definition, context)
            if !yes { try context.terminal.confirmSigning(keys?.question ?? "sign and run?") }
            try await names.remember(context)
            try keys?.remember(context)
            let statement = try await proposal.signed(context, secrets, sealedTo: keys)
            let reply = try await service.authorized { try await $0.send(statement, session: $1) }
            report(reply, context)
            let watching = RunWatching(service: service, context: context)
            if let session {
                try await watching.carryOut(session, statement, chosen.records, output.format(context.terminal))
            } else if !noWait {
                try await watching.watch(reply.id, output.format(context.terminal))
            }
        }
    }

    private func body(_ definition: ApprovedCommand?, _ nodes: RunNodes, _ notBefore: UTCTime?) throws -> RunBody {
        guard let definition else {
            throw CommandFailure.refused(
                "the policy has no command '\(command.name)': 'muster policy show' lists them"
            )
        }
        return RunBody(
            command: command.name,
            definition: definition,
            arguments: try arguments.parameters(),
            environment: try environment.variables(),
            nodes: nodes.records.map(\.id),
            selector: selector,
            notBefore: notBefore,
            fanOut: spread.fanOut,
            reason: reason
        )
    }

    private func report(_ reply: StatementReply, _ context: CommandContext) {
        if output.json {
            context.terminal.jsonLine(
                [
                    "type": "asked", "run": JSONValue(reply.id), "state": .string(reply.state),
                    "detail": .string(reply.detail),
                ]
            )
        } else if noWait {
            context.terminal.line("run \(reply.id): \(reply.state)")
            if !reply.detail.isEmpty { context.terminal.note(reply.detail) }
            context.terminal.note("next: muster run watch \(reply.id.text.prefix(8))")
        } else {
            context.terminal.note("run \(reply.id): \(reply.state)")
        }
    }
}
