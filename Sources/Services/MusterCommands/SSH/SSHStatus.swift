import ArgumentParser
import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel

struct SSHStatus: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "The CAs and their rotations, how far revocations have come, and what is wrong with which sshd.",
        discussion: "exit status: 0; 1 where something is wrong; 2 it could not be found out."
    )

    @Flag(help: "As JSON.") var json = false

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let trust = try await TrustedView.refresh(context, service.client).sshTrust()
            let rotation = try await service.reading { try await $0.rotation(session: $1) }
            let revocations = try await service.reading { try await $0.revocations(session: $1) }
            let waiting = try await service.reading { try await $0.waitingCertificates(session: $1) }
            let problems = problems(trust, revocations, context.now())
            if json {
                context.terminal.json([
                    "trust": trust.json, "rotation": rotation.json, "revocations": revocations.json,
                    "waiting": .array(waiting.map(\.json)), "problems": .array(problems.map { .string($0) }),
                ])
            } else {
                show(trust, rotation, revocations, waiting.count, context)
                for problem in problems { context.terminal.line(StyledText(problem, .loud)) }
            }
            if !problems.isEmpty { throw ExitCode(CommandFailure.Status.failed.rawValue) }
        }
    }

    private func show(
        _ trust: SSHTrust,
        _ rotation: SSHRotationRecord,
        _ revocations: SSHRevocationsRecord,
        _ waiting: Int,
        _ context: CommandContext
    ) {
        let terminal = context.terminal
        terminal.line(StyledText("\(SSHTrust.targetPath) version \(trust.version)", .bold))
        for line in trust.lines(at: context.now()) { terminal.line(line) }
        for state in rotation.kinds {
            guard let next = state.next else { continue }
            terminal.line(StyledText("rotation of the \(state.kind.rawValue) CA: '\(next.rawValue)' comes next", .bold))
            RotationWords.waiting(state, context)
        }
        terminal.line("revocations, version \(revocations.version): \(revocations.summary)")
        for entry in revocations.entries.prefix(5) {
            let count = "\(entry.certificates) certificate\(entry.certificates == 1 ? "" : "s")"
            terminal.line(
                StyledText(
                    "  \(entry.time.wholeSeconds) \(entry.subject): \(count), by \(entry.actor): \(entry.reason)"
                )
            )
        }
        if revocations.entries.count > 5 { terminal.line("  and \(revocations.entries.count - 5) before") }
        if waiting > 0 {
            let requests = waiting == 1 ? "1 request waits" : "\(waiting) requests wait"
            terminal.line(StyledText("\(requests) for approval: muster ssh list --waiting", .warning))
        }
    }

    /// What somebody has to see to.
    private func problems(_ trust: SSHTrust, _ revocations: SSHRevocationsRecord, _ now: UTCTime) -> [String] {
        var problems: [String] = []
        for kind in SSHAuthorityKind.allCases {
            guard let authority = trust.signing(kind) else { continue }
            let days = (authority.expires.seconds - now.seconds) / 86400
            if authority.expires <= now {
                problems.append(
                    "the \(kind.rawValue) CA expired at \(authority.expires): muster ssh rotate \(kind.rawValue)"
                )
            } else if days < 7 {
                problems.append("the \(kind.rawValue) CA expires in \(days) d: muster ssh rotate \(kind.rawValue)")
            }
        }
        for node in revocations.nodes where !node.problem.isEmpty { problems.append("\(node.name): \(node.problem)") }
        return problems
    }
}
