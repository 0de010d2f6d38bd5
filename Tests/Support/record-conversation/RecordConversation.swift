import Glibc
import MusterTestSupport
import RecordedConversations

/// `record-conversation [NAME…]`: records the conversations of today's agent with today's service, or those of these names,
/// into `Tests/Compatibility/VERSION`; see the README there.
@main
struct RecordConversation {
    static func main() async {
        do {
            if let obstacle = SSHDFixture.obstacle {
                throw RunningProgram.Failure("a real sshd is needed for a whole recording: \(obstacle)")
            }
            let names = CommandLine.arguments.dropFirst()
            for scene in Scenes.all where names.isEmpty || names.contains(scene.name) { try await scene.record() }
        } catch {
            print("record-conversation: \(error)")
            exit(1)
        }
    }
}
