import ArgumentParser
import ByteCoding
import MusterAPI
import MusterModel

struct Login: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "login",
        abstract: "Open a session with your SSH key.",
        discussion: """
            Commands log in by themselves when they need to; this asks for the key now, and replaces the session there may
            be. A session lasts an hour and is kept in a file that only you can read.
            """
    )

    func run(_ context: CommandContext) async throws {
        let session = try await context.withService { try await $0.login() }
        let seconds = Int(clamping: session.expires.seconds - context.now().seconds)
        context.terminal.line(
            "logged in as \(session.operatorName) until \(session.expires.wholeSeconds) (\(Moments.span(seconds)))"
        )
    }
}
