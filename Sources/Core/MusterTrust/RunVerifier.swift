import ByteCoding
import MusterModel
import MusterPolicy

/// Checks one run of a manifest on the node that would carry it out: nothing that the service says is believed.
///
/// ```
/// the id was not used · fleet · times · signatures · requester · the policy, for this node's own tags, this command and
/// now · approvals · this node is named · its time has come · the command is the policy's · it can be put together ·
/// secrets are sealed for this node · it is not one over SSH
/// ```
/// Nothing is run by what comes out of here but `ResolvedCommand`, put together from signed values only.
public enum RunVerifier {
    /// What may be run, by the node's own trusted policy and tags.
    ///
    /// `usedIDs` are the statements that this node has ever begun to carry out.
    public static func verify(
        _ entry: UpdateManifest.Run,
        node: NodeFacts,
        usedIDs: Set<StatementID>,
        policy: FleetPolicy,
        fleet: FleetID,
        time: UTCTime
    ) -> RunVerdict {
        do throws(TrustRefusal) {
            let statement = entry.statement.statement
            let body = try Self.body(entry)
            let check = RunCheck(signed: entry.statement, body: body, policy: policy, fleet: fleet, node: node)
            let decision = try check.decide(usedIDs: usedIDs, at: time)
            let command = try body.command(under: policy)
            let sealed = try check.sealed()
            try check.checkAgent()
            if let start = body.start(after: time) { return .notYet(start) }
            return .allowed(
                VerifiedRun(
                    statement: statement,
                    body: body,
                    definition: body.definition,
                    command: command,
                    sealed: sealed,
                    signers: decision.signers,
                    rule: decision.rule
                )
            )
        } catch {
            return .refused(error)
        }
    }

    /// Refuses what this node need not keep for a second look: what no operator of the fleet signed, what lives too long, and
    /// what is for others.
    ///
    /// Says nothing about what the policy's rules allow.
    public static func screen(
        _ entry: UpdateManifest.Run,
        node: NodeID,
        policy: FleetPolicy,
        fleet: FleetID,
        time: UTCTime
    ) throws(TrustRefusal) {
        let body = try Self.body(entry)
        let facts = NodeFacts(id: node, tags: [])
        try RunCheck(signed: entry.statement, body: body, policy: policy, fleet: fleet, node: facts).screen(at: time)
    }

    private static func body(_ entry: UpdateManifest.Run) throws(TrustRefusal) -> RunBody {
        let statement = entry.statement.statement
        guard entry.run == statement.id else {
            throw TrustRefusal(.malformed, "the entry is for run \(entry.run), its statement is \(statement.id)")
        }
        guard case .run(let body) = statement.body else {
            throw TrustRefusal(.otherType, "a statement of type '\(statement.type.rawValue)' runs nothing")
        }
        return body
    }
}
