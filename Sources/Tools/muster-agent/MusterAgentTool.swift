import MusterAgent

/// The program on every node; everything is in MusterAgent, the commands in its folder Commands.
@main
struct MusterAgentTool {
    static func main() async {
        await AgentProgram.run()
    }
}
