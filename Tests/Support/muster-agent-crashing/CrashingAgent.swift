import AgentTestSupport
import Glibc
import MusterAgent
import MusterClient

/// An agent that ends itself at a named phase, for the crash matrix.
///
/// `muster-agent-crashing FOLDER [PHASE]` does what there is to do for the node in FOLDER, and ends itself by SIGKILL as
/// soon as PHASE is on the disk. The shipped agent has no such thing.
@main
struct CrashingAgent {
    static func main() async throws {
        let words = CommandLine.arguments.dropFirst()
        guard let folder = words.first else { exit(64) }
        let phase = words.dropFirst().first
        let transport = try HTTPTransport()
        let node = try await TestAgent(folder, transport: transport) { reached in
            if reached.rawValue == phase { kill(getpid(), SIGKILL) }
        }
        let reason = await node.agent.turn()
        await transport.close()
        if let reason {
            print(reason)
            exit(1)
        }
    }
}
