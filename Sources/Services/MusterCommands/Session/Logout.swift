import ArgumentParser
import MusterSystem

struct Logout: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "logout",
        abstract: "Forget the session on this machine.",
        discussion: "Works without the service, which forgets a session an hour after the login at the latest."
    )

    func run(_ context: CommandContext) async throws {
        let file = context.folder.sessionFile
        guard Directory.exists(file) else {
            context.terminal.note("there is no session here")
            return
        }
        try AtomicFile.remove(file)
        context.terminal.line("logged out")
    }
}
