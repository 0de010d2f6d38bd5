import ArgumentParser
import Glibc

// Exit code 0 or exactly 1, also for a wrong command line: what the TUF conformance suite expects of a client.
do {
    let command = try TUFClientCommand.parse()
    try await command.run()
} catch {
    exit(TUFClientCommand.report(error))
}
