import AgentTestSupport
import Glibc
import MusterAgent
import MusterClient

/// An agent with bad luck, for the crash matrix and full disks; the shipped agent has no such thing.
///
/// `muster-agent-crashing FOLDER [PHASE]` does what there is to do for the node in FOLDER, and ends itself by SIGKILL as
/// soon as PHASE is on the disk. With `filling-disk` for PHASE it lives, and the file system of its downloads is filled
/// while a package is on its way: only for a file system of its own.
@main
struct CrashingAgent {
    static func main() async throws {
        let words = CommandLine.arguments.dropFirst()
        guard let folder = words.first else { exit(64) }
        let phase = words.dropFirst().first
        let downloads = TestAgent.paths(folder).downloads
        let source = FillingRepository(TestAgent.repository(folder), disk: downloads)
        let transport = try HTTPTransport()
        let node = try await TestAgent(folder, transport: transport, source: phase == "filling-disk" ? source : nil) {
            reached in
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
