import ByteCoding
import MusterAPI
import MusterClient
import MusterModel
import MusterPolicy
import TUF

/// A package change that is about to be signed: shown, confirmed, signed, sent.
struct RolloutProposal: Sendable {
    let body: UpgradeBody
    let isRollBack: Bool
    let view: TrustedView
    let lifetime: Int
    /// What is shown before it, where it was worked out and not asked for.
    var reasons: [StyledText] = []

    /// The body for one version of a package, with the files exactly as the release managers signed them.
    static func body(
        _ package: String,
        _ version: String,
        _ nodes: [NodeSelector],
        _ strategy: RolloutStrategy,
        _ history: ReleaseHistory
    ) throws -> UpgradeBody {
        let files = history.files(package, version: version)
        guard !files.isEmpty else {
            let known = history.of(package).map(\.release.version)
            throw CommandFailure.refused(
                known.isEmpty
                    ? "no release of '\(package)' is signed: see 'muster release list'"
                    : "no release \(version) of \(package) is signed; there are \(known.joined(separator: ", "))"
            )
        }
        return UpgradeBody(
            package: package,
            version: version,
            targets: try files.map {
                guard let sha256 = $0.file.hashes.sha256 else {
                    throw CommandFailure.refused("\($0.file.path) has no SHA-256 in its signed description")
                }
                return UpgradeBody.Target(path: $0.file.path, length: $0.file.length, sha256: sha256)
            },
            nodes: nodes,
            strategy: strategy
        )
    }

    /// Shows what is signed, asks, signs, sends; returns the rollout's id.
    func submit(
        _ service: ServiceConnection,
        _ context: CommandContext,
        yes: Bool,
        json: Bool,
        watched: Bool
    ) async throws -> RolloutID {
        let nodes = try await service.authorized { try await $0.nodes(session: $1) }
        let selected = nodes.selected(by: body.nodes)
        var lines = reasons
        lines += RolloutWords.lines(of: body, isRollBack: isRollBack)
        lines.append(StyledText("  \(selected.count) of \(nodes.count) nodes are selected now"))
        lines += try explanation(context)
        try context.terminal.confirmSigning(lines, "sign and start?", yes: yes, json: json)
        let statement = try await context.signedStatement(
            isRollBack ? .rollBack(body) : .upgrade(body),
            lifetime: lifetime
        )
        let reply = try await service.authorized { try await $0.send(statement, session: $1) }
        if json {
            context.terminal.json(reply.json)
        } else {
            context.terminal.line(StyledText("rollout \(reply.id): ", .bold) + StyledText(reply.state))
            if !reply.detail.isEmpty { context.terminal.line("  \(reply.detail)") }
            if !watched { context.terminal.note("next: muster rollout watch \(reply.id.text.prefix(8))") }
        }
        return reply.id
    }

    /// Says what the trusted policy will say, so that nobody signs in vain.
    private func explanation(_ context: CommandContext) throws -> [StyledText] {
        let policy = try view.policy()
        let requester = try context.folder.operatorIdentity().name
        let request = PolicyRequest(
            action: isRollBack ? .rollBack : .upgrade,
            requester: requester,
            signers: [requester],
            node: nil,
            package: body.package
        )
        let now = context.now()
        let moment = policy.moment(request, from: now, before: now.adding(seconds: Int64(lifetime)))
        let decision = policy.decide(request, time: moment)
        if case .refused = decision { throw CommandFailure.refused("the policy refuses it: \(decision)") }
        var lines = [StyledText("  policy: \(decision)")]
        if moment > now {
            lines.append(StyledText("  nodes hold it until their hours begin, \(moment) at the earliest"))
        }
        return lines
    }
}
