import ArgumentParser
import MusterModel

/// What a login asks for, on the command line of several commands.
struct LoginOptions: ParsableArguments {
    /// How long a certificate is asked for unless told.
    static let usual = TimeSpan(seconds: 3600)

    @Option(help: ArgumentHelp("How long the certificate is good; the policy may make it shorter.", valueName: "span"))
    var life = Self.usual

    @Option(help: ArgumentHelp("What it is for, in one line: approvers and the log show it.", valueName: "text"))
    var reason: String?

    @Option(help: ArgumentHelp("How long to wait where approvals are needed.", valueName: "span"))
    var wait = TimeSpan(seconds: 3600)

    @Flag(help: "Ask for a new certificate though there is a good one.") var new = false

    @Flag(help: "Keep the key in the ssh-agent instead of a file (0600): for programs that ask the agent.") var agent =
        false

    @OptionGroup var known: KnownNodeOptions

    func validate() throws {
        guard SSHCertificateBody.validity.contains(Int64(life.seconds)) else {
            throw ValidationError("--life is not within 30s to 24h")
        }
        let most = Int(SSHCertificateBody.statementLifetime) - life.seconds - LoginRequest.margin
        guard wait.seconds <= most else { throw ValidationError("--wait is longer than \(most / 3600)h") }
        try StatedReason.validate(reason)
    }
}
