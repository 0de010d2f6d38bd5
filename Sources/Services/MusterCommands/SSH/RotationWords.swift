import MusterAPI
import MusterModel

/// Where a rotation is, in words.
enum RotationWords {
    /// What the next step waits for; nothing where it waits for nothing.
    static func waiting(_ state: SSHRotationRecord.Kind, _ context: CommandContext) {
        guard let next = state.next else { return }
        if state.proved > 0 || !state.waiting.isEmpty {
            context.terminal.line("  \(state.proved) of \(state.nodes) nodes have proved what '\(next.rawValue)' needs")
        }
        for line in state.waiting { context.terminal.line(StyledText("  waits for: \(line)", .warning)) }
        for line in state.unreachable { context.terminal.line(StyledText("  not waited for: \(line)", .faint)) }
    }
}
