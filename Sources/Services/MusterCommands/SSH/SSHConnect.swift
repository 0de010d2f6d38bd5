import ArgumentParser
import MusterClient
import MusterModel
import MusterSystem
import OpenSSHFormats

struct SSHConnect: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "connect",
        abstract: "Log in on a node, or run a command there (the default: muster ssh HOST).",
        discussion: """
            HOST is a node's name, id, tailnet name or address; USER@HOST names the account. Everything after HOST is the
            command. A host that is called like one of the commands here: muster ssh connect HOST.

            The host proves who it is by a certificate of the fleet's host CA; unknown keys are never accepted. Which node a
            name means is remembered: where the service says another one later, --accept-node says that this is right. Where
            the policy asks for approvals, it waits and says for whom.

            exit status: that of ssh, which is the command's; 255 where ssh failed; 1 where no certificate was to be had,
            2 where that could not be found out.
            """
    )

    @Option(
        name: [.customShort("l"), .long],
        help: ArgumentHelp("The account; yours unless given.", valueName: "name")
    )
    var user: NameArgument<AccountName>?

    @Option(name: .shortAndLong, help: "The port of its sshd.") var port: Int?

    @Option(name: .customShort("o"), help: ArgumentHelp("An option for ssh; may be repeated.", valueName: "option"))
    var sshOption: [String] = []

    @OptionGroup var login: LoginOptions

    @Argument(
        parsing: .captureForPassthrough,
        help: ArgumentHelp("The host, then the command if there is one.", valueName: "host")
    )
    var words: [String] = []

    func validate() throws {
        guard !target.isEmpty else { throw ValidationError("which host? muster ssh HOST [COMMAND…]") }
        if let port, !(1...65535).contains(port) { throw ValidationError("--port is not within 1 to 65535") }
    }

    func run(_ context: CommandContext) async throws {
        let (account, name) = try destination(context)
        let request = LoginRequest(user: account, host: name, options: login, context: context)
        let host: HostBook.Host
        if let kept = try HostBook.kept(context)?.find(name), try request.believes(kept),
            await request.present(kept.node) != nil
        {
            try await request.check(kept)
            host = kept
        } else {
            host = try await context.withService { service in
                guard let host = try await HostBook.fetch(service, context).find(name) else {
                    throw CommandFailure.refused("there is no node '\(name.text)': see 'muster node list'")
                }
                try await request.check(host)
                if await request.present(host.node) == nil { _ = try await request.obtain(host.node, service) }
                return host
            }
        }
        try hand(over: host, request, context)
    }

    private var plain: [String] { words.first == "--" ? Array(words.dropFirst()) : words }
    private var target: String { plain.first ?? "" }
    private var command: [String] {
        let rest = plain.dropFirst()
        return Array(rest.first == "--" ? rest.dropFirst() : rest)
    }

    private func destination(_ context: CommandContext) throws -> (AccountName, HostName) {
        var user = user?.name
        var host = target
        if let at = host.lastIndex(of: "@") {
            guard let named = AccountName(String(host[..<at])) else {
                throw CommandFailure.usage("'\(host[..<at])' is no account: \(AccountName.form)")
            }
            user = named
            host = String(host[host.index(after: at)...])
        }
        guard let account = user ?? AccountName(context.environment["USER"] ?? "") else {
            throw CommandFailure.usage("as whom? give USER@HOST")
        }
        guard let name = HostName(host) else { throw CommandFailure.usage("'\(host)' is no name of a host") }
        return (account, name)
    }

    /// Goes on as `ssh`.
    private func hand(over host: HostBook.Host, _ request: LoginRequest, _ context: CommandContext) throws {
        guard let program = Command.find("ssh", path: context.environment["PATH"] ?? "/usr/bin:/bin") else {
            throw CommandFailure.refused("there is no program 'ssh' here: install openssh-client")
        }
        guard let address = host.address else {
            throw CommandFailure.refused(
                "the service shows no IP address of \(host.name) (\(host.node)), and nothing else is handed to ssh: "
                    + "see 'muster node show \(host.node)'"
            )
        }
        let place = request.place
        // A key that only the agent holds is found by its certificate: ssh has no other file to know it by.
        let identity = Directory.exists(place.keyFile) ? place.keyFile : place.certificateFile
        var options = [
            "CertificateFile=\"\(place.certificateFile)\"", "IdentityFile=\"\(identity)\"",
            "IdentitiesOnly=yes", "UserKnownHostsFile=\"\(context.folder.knownHostsFile)\"",
            "GlobalKnownHostsFile=/dev/null", "StrictHostKeyChecking=yes", "UpdateHostKeys=no",
            "HostName=\(address.text)", "HostKeyAlias=\(host.name)",
        ]
        if !login.agent { options.append("IdentityAgent=none") }
        var arguments = (options + sshOption).flatMap { ["-o", $0] } + ["-l", request.user.text]
        if let port { arguments += ["-p", String(port)] }
        arguments += ["--", request.host.text] + command
        var environment = context.environment
        environment[SSHObtain.insideVariable] = "1"
        try context.handOver(program, arguments, environment)
    }
}
