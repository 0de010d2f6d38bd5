import ArgumentParser
import ByteCoding
import CanonicalJSON
import MusterClient
import MusterModel
import MusterSystem
import OpenSSHFormats

struct SSHObtain: ContextCommand {
    /// Set where `ssh` was started by `muster ssh`, which has seen to the certificate already.
    static let insideVariable = "MUSTER_SSH"

    static let configuration = CommandConfiguration(
        commandName: "certificate",
        abstract: "Get the certificate for a login without logging in, or see to it that there is a good one.",
        discussion: """
            The key is made in memory. It is a file that only you can read, beside the certificate; or, with --agent,
            both go into the ssh-agent (SSH_AUTH_SOCK) for as long as the certificate is good.

            --quiet is for 'Match exec' in ssh's configuration ('muster ssh config'): it prints nothing on success, and
            nothing about a host that is no node.

            exit status: 0 there is a good certificate; 1 no such node, refused, denied or not approved in time; 2 it could
            not be found out.
            """
    )

    @Option(name: .customLong("for"), help: ArgumentHelp("The node: its name, id or address.", valueName: "host"))
    var host: String

    @Option(
        name: [.customShort("l"), .long],
        help: ArgumentHelp("The account; yours unless given.", valueName: "name")
    )
    var user: NameArgument<AccountName>?

    @Option(help: ArgumentHelp("The only command that the certificate is to run.", valueName: "text"))
    var command: String?

    @OptionGroup var login: LoginOptions

    @Flag(name: .shortAndLong, help: "Say nothing unless something is wrong.") var quiet = false

    @Flag(help: "As JSON.") var json = false

    func validate() throws {
        if let command,
            command.isEmpty || command.utf8.count > SSHCertificateBody.commandLimit
                || command.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F })
        {
            throw ValidationError("--command is not one line of at most \(SSHCertificateBody.commandLimit) bytes")
        }
    }

    func run(_ context: CommandContext) async throws {
        let nothing = ExitCode(CommandFailure.Status.failed.rawValue)
        if quiet, context.environment[Self.insideVariable] != nil { throw nothing }
        guard let account = user?.name ?? AccountName(context.environment["USER"] ?? "") else {
            throw CommandFailure.usage("as whom? give --user NAME")
        }
        guard let name = HostName(host) else {
            if quiet { throw nothing }
            throw CommandFailure.usage("'\(host)' is no name of a host")
        }
        let request = LoginRequest(
            user: account,
            host: name,
            options: login,
            command: command,
            isQuiet: quiet || json,
            context: context
        )
        guard let certificate = try await certificate(request, context) else {
            if quiet { throw nothing }
            throw CommandFailure.refused("there is no node '\(name.text)': see 'muster node list'")
        }
        show(certificate, request, context)
    }

    /// The certificate; nil where the host is no node.
    private func certificate(_ request: LoginRequest, _ context: CommandContext) async throws -> SSHCertificate? {
        if let kept = HostBook.kept(context) {
            if let host = try kept.find(request.host) {
                if try request.believes(host), let certificate = await request.present(host.node) {
                    try await request.check(host)
                    return certificate
                }
            } else if quiet, kept.isFresh(at: context.now()) {
                return nil
            }
        }
        return try await context.withService { service in
            guard let host = try await HostBook.fetch(service, context).find(request.host) else { return nil }
            try await request.check(host)
            if let certificate = await request.present(host.node) { return certificate }
            return try await request.obtain(host.node, service)
        }
    }

    private func show(_ certificate: SSHCertificate, _ request: LoginRequest, _ context: CommandContext) {
        let content = certificate.content
        let end = UTCTime(seconds: Int64(clamping: content.validBefore))
        let place = request.place
        let inFile = Directory.exists(place.keyFile)
        if json {
            var object: JSONObject = [
                "serial": .integer(Int64(clamping: content.serial)), "key_id": .string(content.keyID),
                "user": .string(request.user.text), "host": .string(request.host.text),
                "valid_before": .string(end.wholeSeconds.description),
                "certificate_file": .string(place.certificateFile),
                "known_hosts_file": .string(context.folder.knownHostsFile), "in_agent": .bool(!inFile),
            ]
            if inFile { object["key_file"] = .string(place.keyFile) }
            context.terminal.json(.object(object))
        } else if !quiet {
            let left = Int(clamping: end.seconds - context.now().seconds)
            context.terminal.line(
                "certificate \(content.serial) for \(request.user)@\(request.host.text) until \(end.wholeSeconds) "
                    + "(\(Moments.span(left))), \(inFile ? "key in \(place.keyFile)" : "in the ssh-agent")"
            )
        }
    }
}
