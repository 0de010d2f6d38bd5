import ArgumentParser
import Glibc
import MusterClient
import MusterModel
import MusterSystem

struct SSHConfig: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Print what makes plain ssh, scp, sftp, git and rsync get certificates by themselves.",
        discussion: """
            For each host ssh asks 'muster ssh certificate --quiet', which says no at once where it is no node of the fleet,
            and else sees to a good certificate. Hosts are believed by the fleet's host CAs alone (@cert-authority).

            --write keeps it in the configuration folder and has ~/.ssh/config include it, in its first line.
            """
    )

    @Flag(help: "Write it, and have ~/.ssh/config include it.") var write = false

    @Option(
        help: ArgumentHelp("Only for these hosts, as in ssh's configuration: *.tail1234.ts.net", valueName: "pattern")
    )
    var host: String?

    @Option(help: ArgumentHelp("How long certificates are good.", valueName: "span"))
    var life = LoginOptions.usual

    func validate() throws {
        guard SSHCertificateBody.validity.contains(Int64(life.seconds)) else {
            throw ValidationError("--life is not within 30s to 24h")
        }
        guard host?.contains(where: { "\"'\\ \n".contains($0) }) != true else {
            throw ValidationError("--host is a list of patterns parted by commas")
        }
    }

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            try KnownHosts.write(try await TrustedView.refresh(context, service.client).sshTrust(), context)
        }
        let text = try text(context)
        guard write else {
            context.terminal.raw(text, .output)
            return
        }
        let home = context.environment["HOME"] ?? ""
        guard home.hasPrefix("/") else { throw CommandFailure.usage("HOME is not set: where is ~/.ssh/config?") }
        try AtomicFile.write(Array(text.utf8), to: context.folder.sshConfigurationFile)
        let added = try include(context.folder.sshConfigurationFile, in: home + "/.ssh")
        context.terminal.line("written to \(context.folder.sshConfigurationFile)")
        context.terminal.line("\(home)/.ssh/config \(added ? "includes it now" : "includes it already")")
        context.terminal.note("next: ssh HOST")
    }

    private func text(_ context: CommandContext) throws -> String {
        let folder = context.folder
        guard !(folder.path + context.program).contains(where: { "\"'\\%\n".contains($0) }) else {
            throw CommandFailure.refused("ssh's configuration cannot name \(folder.path) or \(context.program)")
        }
        let own = context.environment["MUSTER_CONFIG_DIR"].map { _ in "MUSTER_CONFIG_DIR='\(folder.path)' " } ?? ""
        let span = life.seconds == LoginOptions.usual.seconds ? "" : " --life \(life.defaultValueDescription)"
        let program = context.program.contains(" ") ? "'\(context.program)'" : context.program
        let ask = "\(own)\(program) ssh certificate --quiet --for '%h' --user '%r'\(span)"
        let match = host.map { "host \($0) " } ?? ""
        return """
            # Short-lived certificates of the muster fleet \(try folder.fleet().fleet.text.prefix(16)), by 'muster ssh config'.
            Match \(match)exec "\(ask)"
                CertificateFile "\(folder.ssh)/%r@%h/id-cert.pub"
                IdentityFile "\(folder.ssh)/%r@%h/id"
                IdentitiesOnly yes
                UserKnownHostsFile "\(folder.knownHostsFile)"
                StrictHostKeyChecking yes
                UpdateHostKeys no
            Match all

            """
    }

    /// Puts the line in front, whatever follows: behind a `Host` it would count for that host only.
    private func include(_ file: String, in folder: String) throws -> Bool {
        let link = folder + "/config"
        var path = link
        // A link, such as of people who keep their configuration elsewhere, stays one.
        if let real = realpath(link, nil) {
            path = String(cString: real)
            free(real)
        }
        try Directory.create(folder)
        let line = "Include \"\(file)\""
        let text = String(decoding: try BoundedFile.readIfPresent(path, limit: 4_000_000) ?? [], as: UTF8.self)
        if text.split(separator: "\n").contains(where: { $0 == line }) { return false }
        try AtomicFile.write(Array((line + "\n\n" + text).utf8), to: path)
        return true
    }
}
