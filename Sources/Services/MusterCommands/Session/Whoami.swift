import ArgumentParser
import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel
import OpenSSHFormats

struct Whoami: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "whoami",
        abstract: "Who the service takes you for, and by what.",
        discussion: """
            By a session you may do what the policy allows you. By your tailnet login you may read, without touching your
            SSH key; the policy says which login is whose ('tailnet' of an operator). Asks for no key.

            exit status: 0 for an operator, 1 for nobody.
            """
    )

    @Flag(help: "As JSON.") var json = false

    func run(_ context: CommandContext) async throws {
        let answer = try await context.withService { service in
            guard let session = service.cachedSession else { return try await service.client.whoami(session: nil) }
            do {
                return try await service.client.whoami(session: session.token)
            } catch let error as ClientError where error.status == 401 {
                return try await service.client.whoami(session: nil)
            }
        }
        if json {
            context.terminal.json(answer.json)
        } else {
            show(answer, context)
        }
        if answer.operatorName.isEmpty { throw ExitCode(CommandFailure.Status.failed.rawValue) }
    }

    private func show(_ answer: WhoAmI, _ context: CommandContext) {
        let terminal = context.terminal
        terminal.line(Self.headline(answer, now: context.now()))
        func row(_ name: String, _ value: String) {
            guard !value.isEmpty else { return }
            let padding = String(repeating: " ", count: max(1, 12 - name.count))
            terminal.line(StyledText(name + padding, .faint) + StyledText(value))
        }
        let identity = answer.identity
        row("address", answer.address)
        row("name", identity.name)
        row("login", identity.login ?? "")
        row("tags", identity.tags.joined(separator: ", "))
        if let identity = try? context.folder.operatorIdentity() {
            let key = (try? OperatorKey.publicKey(identity.publicKeyFile))?.description ?? identity.publicKeyFile
            row("configured", "\(identity.name), \(key)")
        }
        if answer.means != .session { terminal.note("next: 'muster login' opens a session with your SSH key") }
    }

    private static func headline(_ answer: WhoAmI, now: UTCTime) -> StyledText {
        let name = StyledText(answer.operatorName, .bold)
        switch answer.means {
        case .session:
            guard let expires = answer.sessionExpires else { return name + ", by a session" }
            let left = Moments.span(Int(clamping: expires.seconds - now.seconds))
            return name + StyledText(", by a session until \(expires.wholeSeconds) (\(left))")
        case .tailnet: return name + StyledText(", recognised by the tailnet, for reading")
        case .none: return StyledText("nobody: the policy gives no operator this address's tailnet login", .warning)
        }
    }
}
