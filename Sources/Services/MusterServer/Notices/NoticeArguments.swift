import ArgumentParser
import Glibc
import MusterIdentity
import MusterSystem
import NoticeDelivery

/// The options of `musterd serve` that say where notices go.
struct NoticeArguments: ParsableArguments {
    @Option(
        name: .customLong("notify-webhook"),
        help: ArgumentHelp(
            "address that is told of expiries by HTTP POST; may be repeated",
            discussion: "Everybody on this machine can read it here: use --notify-webhook-file where it is a secret.",
            valueName: "url"
        )
    )
    var webhooks: [String] = []

    @Option(
        name: .customLong("notify-webhook-file"),
        help: ArgumentHelp("file with such an address on its first line; may be repeated", valueName: "file")
    )
    var webhookFiles: [String] = []

    @Option(
        name: .customLong("notify-webhook-secret-file"),
        help: ArgumentHelp("file (0600) with the secret that signs what webhooks get", valueName: "file")
    )
    var secretFile: String?

    @Option(
        name: .customLong("notify-ca-file"),
        help: ArgumentHelp("PEM file of certificate authorities that webhooks are checked against", valueName: "file")
    )
    var authorities: String?

    @Option(
        name: .customLong("notify-command"),
        help: ArgumentHelp(
            "program with its arguments that gets each notice as a mail message on standard input",
            discussion:
                "Such as '/usr/sbin/sendmail -t' with --notify-to, or '/usr/bin/msmtp ops@example.org'. No shell.",
            valueName: "command"
        )
    )
    var command: String?

    @Option(
        name: .customLong("notify-to"),
        help: ArgumentHelp("address for the To: of those messages; may be repeated", valueName: "address")
    )
    var recipients: [String] = []

    @Option(
        name: .customLong("digest-hour"),
        help: ArgumentHelp("hour of UTC at which the daily digest of expiries is sent", valueName: "hour")
    )
    var digestHour = NoticeOptions.standardHour

    func validate() throws {
        guard (0...23).contains(digestHour) else { throw ValidationError("--digest-hour is 0 to 23") }
        for url in webhooks where WebhookAddress(url) == nil {
            throw ValidationError("--notify-webhook is no http or https URL without user name: \(url)")
        }
        guard recipients.isEmpty || command != nil else { throw ValidationError("--notify-to needs --notify-command") }
        guard secretFile == nil || !(webhooks + webhookFiles).isEmpty else {
            throw ValidationError("--notify-webhook-secret-file needs a webhook")
        }
        if let command, CommandWords.split(command)?.first?.hasPrefix("/") != true {
            throw ValidationError(
                "--notify-command must begin with an absolute path and close its quotes, no shell is involved: \(command)"
            )
        }
    }

    /// Opens every channel.
    func options() throws -> NoticeOptions {
        var options = NoticeOptions()
        options.digestHour = digestHour
        let secret = try secretFile.map { try WebhookSecret.read($0) }
        let addresses = try webhooks.compactMap(WebhookAddress.init) + webhookFiles.map(Self.address)
        if let authorities { _ = try BoundedFile.read(authorities, limit: 10_000_000) }
        for address in addresses {
            options.channels.append(WebhookChannel(address, secret: secret, authorities: authorities))
        }
        if let words = command.flatMap(CommandWords.split) {
            options.channels.append(try MailCommandChannel(words, recipients: recipients))
        }
        return options
    }

    private static func address(_ file: String) throws -> WebhookAddress {
        let text = String(decoding: try BoundedFile.read(file, limit: 8192), as: UTF8.self)
        guard let line = text.split(whereSeparator: \.isNewline).first, let address = WebhookAddress(String(line))
        else {
            throw SystemError("use", file, because: "its first line is no http or https URL without user name")
        }
        return address
    }
}
