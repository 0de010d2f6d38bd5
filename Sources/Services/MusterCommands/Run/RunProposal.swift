import ByteCoding
import MusterAPI
import MusterKeys
import MusterModel
import MusterPolicy

/// A run that is about to be signed: shown, judged by the trusted policy, sealed, signed.
struct RunProposal: Sendable {
    var body: RunBody
    let expires: UTCTime
    let nodes: RunNodes
    let policy: FleetPolicy

    /// Shows exactly what will be signed and what the policy says to it; refuses what nodes would refuse.
    ///
    /// The ids of `changed` nodes are shown however many there are.
    func show(_ context: CommandContext, changed: Set<NodeID>, quiet: Bool) throws {
        let now = context.now()
        let words = try RunWords(body, names: nodes.records.names, changed: changed)
        let requester = try context.folder.operatorIdentity().name
        let judgement = NodeJudgement(
            body,
            requester: requester,
            signers: [requester],
            nodes: nodes.records,
            policy: policy,
            time: max(now, body.notBefore ?? now)
        )
        if !quiet {
            for line in words.lines(expires: expires, now: now) { context.terminal.note(line) }
            context.terminal.note("  \(nodes.records.count) of \(nodes.total) nodes")
        }
        for remark in nodes.remarks { context.terminal.note(StyledText("  \(remark)", .warning)) }
        if let refusal = judgement.refusal { throw CommandFailure.refused("the policy refuses it: \(refusal)") }
        if !quiet { for line in judgement.lines { context.terminal.note(line) } }
    }

    /// The statement, its secrets sealed to each node for this statement alone.
    func signed(
        _ context: CommandContext,
        _ secrets: [ParameterName: SecretBytes],
        sealedTo keys: SealingKeys?
    ) async throws -> SignedStatement {
        let id = try context.newStatementID()
        if body.ssh != nil, try RunWords.resolve(body).shellLine(run: id) == nil {
            throw CommandFailure.refused(
                "'\(body.command)' cannot be run over SSH: it has secrets, control characters, or is too long for a certificate"
            )
        }
        var body = body
        for (name, value) in secrets { body.sealed[name] = try seal(value, name, id, keys, context) }
        return try await context.signedStatement(
            .run(body),
            lifetime: Int(expires.seconds - context.now().seconds),
            id: id
        )
    }

    private func seal(
        _ value: SecretBytes,
        _ name: ParameterName,
        _ id: StatementID,
        _ keys: SealingKeys?,
        _ context: CommandContext
    ) throws -> [NodeID: [UInt8]] {
        let requester = try context.folder.operatorIdentity().name
        let fleet = try context.folder.fleet().fleet
        var sealed: [NodeID: [UInt8]] = [:]
        for node in nodes.records {
            let purpose = SealedSecret.Purpose(
                fleet: fleet.text,
                statement: id.text,
                requester: requester.text,
                node: node.id.text,
                parameter: name.text
            )
            guard let key = keys?.keys[node.id], let box = SealedSecret.seal(value, to: key, for: purpose) else {
                throw CommandFailure.refused("the key of \(node.name) is none that a secret could be sealed to")
            }
            sealed[node.id] = box
        }
        return sealed
    }
}
