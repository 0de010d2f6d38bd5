import ArgumentParser
import Glibc
import Logging
import MusterAPI
import MusterIdentity
import MusterLog
import MusterSigners
import MusterSystem

/// `musterd serve`.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "keep the register, host the repository, drive rollouts",
        discussion: """
            The first start makes the service's keys and prints a set-up token, once; 'muster fleet init' takes it. The token
            is also in DIRECTORY/setup-token until there is a fleet; where systemd starts the service, only there.

            Without --listen it listens on loopback and on this machine's own tailnet addresses. Any other address is refused
            without TLS. Every request over plain HTTP must come from this machine or from somebody whom the tailnet knows.

            --tailnet says who is asked: 'tailscale' (or Headscale) the tailscaled of this machine, 'wireguard:INTERFACE' the
            peers of an interface (needs CAP_NET_ADMIN and 'wg'), 'static:FILE' a file, 'none' nobody; 'auto' is Tailscale where
            its socket exists, else none.
            """
    )

    @Option(name: .customLong("state-dir"), help: "folder for the register, keys and files")
    var stateDirectory = "/var/lib/musterd"

    @Option(help: "address and port to listen on; may be given several times; port 0 means any")
    var listen: [String] = []

    @Option(help: "port for the addresses that are listened on without --listen")
    var port = ListenPlan.standardPort

    @Option(help: "who says who callers are: \(TailnetOption.form)")
    var tailnet = "auto"

    @Option(help: "signed file with names for WireGuard peers; its signature is in FILE.sig")
    var wireguardNames: String?

    @Option(help: "seconds that a start waits for the tailnet to come up")
    var tailnetPatience = 30

    @Option(help: "PEM file of the certificate chain for TLS")
    var tlsCertificate: String?

    @Option(help: "PEM file of the certificate's key")
    var tlsKey: String?

    @Option(help: "file with the passphrase of the service keys, instead of the one made for this machine")
    var passphraseFile: String?

    @Option(name: .customLong("passphrase-fd"), help: "open descriptor to read that passphrase from")
    var passphraseDescriptor: Int32?

    @Option(
        help: "socket of an ssh-agent with four Ed25519 keys, six with SSH certificates, instead of sealed files"
    )
    var sshAgent: String?

    @Option(help: "most bytes of one package file")
    var maxFileBytes: Int64 = 4 << 30

    @Option(help: "most connections at one moment, for each address")
    var maxConnections = 16_000

    @Option(help: "seconds after which a node reports again")
    var reportSeconds = 60

    @Option(
        help: ArgumentHelp(
            "days that a node's key lives, 1 to 365; agents replace theirs in the last third of it",
            valueName: "days"
        )
    )
    var nodeKeyDays = NodeKeyLife.standardDays

    @Option(
        help: ArgumentHelp(
            "days for which the output of runs is kept after their end; who ran what stays for ever",
            valueName: "days"
        )
    )
    var keepRunOutput: Int64 = 90

    @Option(help: "trace, debug, info, notice, warning or error")
    var logLevel = "info"

    @OptionGroup(title: "Notices") var notices: NoticeArguments

    func validate() throws {
        guard (tlsCertificate == nil) == (tlsKey == nil) else {
            throw ValidationError("--tls-certificate and --tls-key belong together")
        }
        guard passphraseFile == nil || passphraseDescriptor == nil else {
            throw ValidationError("give --passphrase-file or --passphrase-fd, not both")
        }
        guard (1...86400).contains(reportSeconds), maxConnections > 0, maxFileBytes > 0 else {
            throw ValidationError("--report-seconds, --max-connections and --max-file-bytes must be positive")
        }
        guard TailnetOption(tailnet) != nil else {
            throw ValidationError("--tailnet is not one of: \(TailnetOption.form)")
        }
        guard (0...65535).contains(port), (0...3600).contains(tailnetPatience) else {
            throw ValidationError("--port must be 0 to 65535, --tailnet-patience 0 to 3600")
        }
        guard NodeKeyLife.days.contains(nodeKeyDays) else {
            throw ValidationError("--node-key-days must be from 1 to 365: no key lives for ever")
        }
        guard (1...36500).contains(keepRunOutput) else {
            throw ValidationError("--keep-run-output must be from 1 to 36500 days")
        }
        guard Logger.Level(rawValue: logLevel) != nil else {
            throw ValidationError("unknown --log-level '\(logLevel)'")
        }
    }

    func run() async throws {
        umask(0o077)
        Self.raiseDescriptorLimit()
        var options = ServeOptions()
        options.stateDirectory = stateDirectory
        options.listen = listen
        options.port = port
        options.tailnet = TailnetOption(tailnet) ?? .none
        options.wireGuardNames = wireguardNames
        options.tailnetPatience = .seconds(tailnetPatience)
        if let tlsCertificate, let tlsKey { options.tls = (tlsCertificate, tlsKey) }
        options.agentSocket = sshAgent
        options.maxFileBytes = maxFileBytes
        options.maxConnections = maxConnections
        options.reportSeconds = reportSeconds
        options.nodeKeyLifetime = Int64(nodeKeyDays) * 86400
        options.keepRunOutputDays = keepRunOutput
        var log = Logger(label: "musterd", factory: { OneLineLog(StreamLogHandler.standardError(label: $0)) })
        log.logLevel = Logger.Level(rawValue: logLevel) ?? .info
        do {
            options.passphrase = try passphrase()
            options.notices = try notices.options()
            let server = try await FleetServer(options, log: log) { greeting in
                for line in greeting.lines { Self.say(line) }
            }
            if let token = try server.service.makeSetupToken() {
                // What systemd is told ends up in the journal, which more people may read than root.
                let isWatched = ServiceNotification.isExpected
                Self.say("musterd: set-up token: \(isWatched ? "in \(stateDirectory)/setup-token" : token.line)")
            }
            try await server.run()
        } catch {
            Self.complain("musterd: \(error)")
            throw ExitCode(1)
        }
    }

    private func passphrase() throws -> Passphrase? {
        if let passphraseDescriptor { return try Passphrase.read(descriptor: passphraseDescriptor) }
        guard let passphraseFile else { return nil }
        let file = try OpenFile(passphraseFile)
        return try withExtendedLifetime(file) { try Passphrase.read(descriptor: file.descriptor) }
    }

    /// Each connection is a descriptor.
    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(7), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(7), &limit)
    }

    private static func complain(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        _ = write(2, bytes, bytes.count)
    }

    private static func say(_ line: String) {
        print(line)
        fflush(nil)
    }
}
