import ArgumentParser
import ByteCoding
import MusterAPI
import MusterCA
import MusterClient
import MusterModel

struct SSHRotate: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate",
        abstract: "Replace the CA for users or for hosts, one step at a time, without locking anybody out.",
        discussion: """
            announce    the service makes the next key; every node and client comes to trust it
            sign        the next key signs; refused while a node in contact has not proved that its sshd trusts it
            retire      the old key is trusted no more; refused while something that it signed is needed
            roll-back   one step back, as long as the old key is trusted

            Without STEP the next one. Each is signed by the policy keys. --wait waits until nothing stands against it; what
            it waits for is named. 'muster ssh status' shows where a rotation is. Open sessions never notice.

            exit status: 0 done; 1 refused, or something still stands against it; 2 it could not be found out.
            """
    )

    @Argument(help: "Which CA: user or host.") var kind: Kind

    @Argument(help: "announce, sign, retire or roll-back; the next step unless given.") var step: Step?

    @Option(help: "Days that a key that is announced is trusted.") var sshCaDays = 365

    @Option(help: ArgumentHelp("Wait so long for what stands against it.", valueName: "span")) var wait: TimeSpan?

    @Option(help: ArgumentHelp("Sign with this sealed key, or this .pub in the ssh-agent.", valueName: "file"))
    var policyKey: [String] = []

    @OptionGroup var passphrase: PassphraseOptions

    enum Kind: String, ExpressibleByArgument, CaseIterable {
        case user
        case host

        var authority: SSHAuthorityKind { self == .user ? .user : .host }
    }

    enum Step: String, ExpressibleByArgument, CaseIterable {
        case announce
        case sign
        case retire
        case rollBack = "roll-back"

        var action: SSHRotationRequest.Action {
            switch self {
            case .announce: .announce
            case .sign: .sign
            case .retire: .retire
            case .rollBack: .rollBack
            }
        }
    }

    func validate() throws {
        guard (1...3650).contains(sshCaDays) else { throw ValidationError("--ssh-ca-days is not within 1 to 3650") }
    }

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let action = try await action(service, context)
            let view = try await TrustedView.refresh(context, service.client)
            let request = SSHRotationRequest(kind: kind.authority, action: action, days: sshCaDays)
            let record = try await service.authorized { try await $0.rotate(request, session: $1) }
            guard let proposal = record.proposal else {
                throw CommandFailure.refused("the service proposes no new \(SSHTrust.targetPath): \(record.detail)")
            }
            try check(proposal, action, try view.sshTrust(), context)
            let publication = SSHTrustPublication(service: service, context: context)
            try await publication.publish(proposal, view, keys: policyKey, passphrase: passphrase)
            guard try await publication.isPublished(proposal) else { return }
            try await report(action, service, context)
        }
    }

    /// The step to take, once nothing stands against it.
    private func action(
        _ service: ServiceConnection,
        _ context: CommandContext
    ) async throws -> SSHRotationRequest.Action {
        let deadline = ContinuousClock.now + .seconds(wait?.seconds ?? 0)
        var said: [String] = []
        while true {
            let found = try await service.reading { try await $0.rotation(session: $1) }
            guard let state = found.kinds.first(where: { $0.kind == kind.authority }) else {
                throw CommandFailure.undetermined("the service does not say where the rotation is")
            }
            let action = step?.action ?? state.next ?? .announce
            if action != state.next || state.waiting.isEmpty { return action }
            if state.waiting != said {
                said = state.waiting
                RotationWords.waiting(state, context)
            }
            guard ContinuousClock.now < deadline else {
                throw CommandFailure.refused(
                    "'\(action.rawValue)' waits for \(state.waiting.count) of the above: try again, or give --wait"
                )
            }
            try await Task.sleep(for: .milliseconds(500))
        }
    }

    /// Refuses a document that differs from the trusted one in anything but this step: people sign what they asked for.
    private func check(
        _ proposal: SSHTrust,
        _ action: SSHRotationRequest.Action,
        _ trusted: SSHTrust,
        _ context: CommandContext
    ) throws {
        guard let step = AuthorityRotation.Step(rawValue: action.rawValue) else {
            throw CommandFailure.refused("'\(action.rawValue)' is no step that this program knows")
        }
        let kind = kind.authority
        let before = Set(trusted.authorities(kind).map(\.publicKey))
        let fresh = proposal.authorities(kind).first { !before.contains($0.publicKey) }
        let expected: SSHTrust
        do {
            expected = try AuthorityRotation.document(
                after: step,
                of: kind,
                in: trusted,
                newKey: fresh?.publicKey,
                days: sshCaDays,
                at: context.now()
            )
        } catch {
            throw CommandFailure.refused("\(error)")
        }
        guard expected.isSame(as: proposal) else {
            throw CommandFailure.refused(
                "the service proposes another \(SSHTrust.targetPath) than '\(action.rawValue)' makes: nothing was signed"
            )
        }
    }

    private func report(
        _ action: SSHRotationRequest.Action,
        _ service: ServiceConnection,
        _ context: CommandContext
    ) async throws {
        let record = try await service.reading { try await $0.rotation(session: $1) }
        for line in record.trust.lines(at: context.now()) { context.terminal.line(line) }
        guard let state = record.kinds.first(where: { $0.kind == kind.authority }), let next = state.next else {
            context.terminal.line("the rotation of the \(kind.rawValue) CA is over")
            return
        }
        RotationWords.waiting(state, context)
        context.terminal.note("next: muster ssh rotate \(kind.rawValue) \(next.rawValue)")
    }
}

extension SSHTrust {
    /// Whether both say the same but for moments that two clocks tell a little differently.
    func isSame(as other: SSHTrust) -> Bool {
        guard version == other.version else { return false }
        return SSHAuthorityKind.allCases.allSatisfy { kind in
            let (mine, theirs) = (authorities(kind), other.authorities(kind))
            return mine.count == theirs.count
                && zip(mine, theirs).allSatisfy { left, right in
                    left.publicKey == right.publicKey && left.phase == right.phase
                        && abs(left.expires.seconds - right.expires.seconds) <= 600
                        && abs(left.since.seconds - right.since.seconds) <= 600
                }
        }
    }
}
