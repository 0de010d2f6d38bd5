import ByteCoding
import MusterAPI
import MusterClient
import MusterModel

/// Finds the waiting request that a person means by its id or the beginning of it.
enum WaitingChoice {
    static func find(_ text: String, _ service: ServiceConnection) async throws -> SSHWaitingRecord {
        let waiting = try await service.reading { try await $0.waitingCertificates(session: $1) }
        let matches = waiting.filter { !text.isEmpty && $0.statement.statement.id.text.hasPrefix(text.lowercased()) }
        guard let match = matches.first else {
            throw CommandFailure.refused("no request '\(text)' waits: see 'muster ssh list --waiting'")
        }
        guard matches.count == 1 else {
            throw CommandFailure.refused("'\(text)' is the beginning of \(matches.count) requests: give more of it")
        }
        return match
    }

    /// Says what became of a request.
    static func report(_ reply: SSHCertificateReply, _ context: CommandContext) {
        let id = reply.id.text.prefix(8)
        switch reply.state {
        case .issued:
            let end = reply.validBefore.map { " until \($0.wholeSeconds)" } ?? ""
            context.terminal.line("request \(id): issued as certificate \(reply.serial ?? 0)\(end)")
        case .waiting: context.terminal.line("request \(id): signed, still waiting: \(reply.detail)")
        case .denied: context.terminal.line("request \(id): denied: \(reply.detail)")
        case .expired: context.terminal.line("request \(id): \(reply.detail)")
        }
    }
}
