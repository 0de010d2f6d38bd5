import ArgumentParser
import Glibc
import MusterSystem

/// `muster-agent ssh-principals`: sshd's `AuthorizedPrincipalsCommand`.
struct PrincipalsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ssh-principals",
        abstract: "Tell sshd whether a certificate lets its holder in (run by sshd).",
        discussion: """
            Prints the account and ends with 0 where the operator's statement in the certificate and the node's own trusted
            policy allow the login; else prints nothing and ends with 1. The decision and its reason go to the system's log.
            """
    )

    @Option(help: "What the agent wrote for this decision.")
    var login: String

    @Option(help: "Socket of the system's log.")
    var logSocket = SystemLog.usual

    @Argument(help: "The account: sshd's %u.")
    var user: String

    @Argument(help: "The certificate: sshd's %k.")
    var certificate: String

    func run() throws {
        let code = Self.decide(PrincipalsCheck(file: login, user: user, certificate: certificate), logSocket)
        if code != 0 { throw ExitCode(code) }
    }

    /// Answers at once where the command line is sshd's: sshd waits, and everything that starts costs each login twice.
    ///
    /// Nil where it is any other command line.
    static func quickly(_ arguments: [String]) -> Int32? {
        guard arguments.count == 6, arguments[1] == configuration.commandName, arguments[2] == "--login" else {
            return nil
        }
        let check = PrincipalsCheck(file: arguments[3], user: arguments[4], certificate: arguments[5])
        return decide(check, SystemLog.usual)
    }

    private static func decide(_ check: PrincipalsCheck, _ logSocket: String) -> Int32 {
        let answer = check.answer(now: WallClock.now())
        SystemLog.write(
            answer.text,
            program: "muster-agent",
            severity: answer.principal == nil ? .warning : .info,
            socket: logSocket
        )
        guard let principal = answer.principal else { return 1 }
        let line = Array("\(principal)\n".utf8)
        return write(STDOUT_FILENO, line, line.count) == line.count ? 0 : 1
    }
}
