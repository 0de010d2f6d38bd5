import ByteCoding
import MusterModel
import MusterPolicy
import OpenSSHFormats

/// Checks a statement: fleet, time, signatures, policy.
///
/// The order is cheapest first; signatures by keys that the policy does not list are never computed, so a hostile service
/// cannot make a node spend time on them.
public enum StatementVerifier {
    /// What `signed` is worth at `time` under `policy`.
    ///
    /// `node` is the node that would act (it judges the rule's `nodes`); without it the question is whether the statement
    /// may be done at all. `usedIDs` are the statements that this node has carried out; the service passes none.
    /// `deciding` is the moment that the policy is asked about, where that is not now: what is planned for tonight may be
    /// approved today, in a window of which it is not yet. `isSecurity` says that it is about a release that closes a
    /// security hole, by the word of the release keys.
    public static func verify(
        _ signed: SignedStatement,
        policy: FleetPolicy,
        fleet: FleetID,
        time: UTCTime,
        deciding: UTCTime? = nil,
        node: NodeFacts? = nil,
        usedIDs: Set<StatementID> = [],
        isSecurity: Bool = false
    ) -> StatementVerdict {
        do throws(TrustRefusal) {
            try checkItself(signed.statement, fleet, time, usedIDs)
        } catch {
            return StatementVerdict(outcome: .refused(error), signers: [], ignored: [])
        }
        let (signers, ignored) = signatures(of: signed, policy: policy, time: time)
        let names = Set(signers.map(\.name))
        var request = PolicyRequest(signed.statement, signers: names, node: node)
        request.isSecurity = isSecurity
        let outcome = outcome(signed.statement, request, ignored, policy, deciding ?? time)
        return StatementVerdict(outcome: outcome, signers: signers, ignored: ignored)
    }

    /// Refuses what nobody in the fleet asked for: another fleet's, one that is not valid at `time`, or one that its
    /// requester has not signed; says nothing about whether the policy allows it.
    static func checkRequest(
        _ signed: SignedStatement,
        policy: FleetPolicy,
        fleet: FleetID,
        time: UTCTime
    ) throws(TrustRefusal) {
        try checkItself(signed.statement, fleet, time, [])
        let (signers, ignored) = signatures(of: signed, policy: policy, time: time)
        try checkRequester(signed.statement, Set(signers.map(\.name)), ignored)
    }

    /// Which signatures count at `time`, and why the others do not; says nothing about the statement's own validity.
    public static func signatures(
        of signed: SignedStatement,
        policy: FleetPolicy,
        time: UTCTime
    ) -> (signers: [StatementSigner], ignored: [IgnoredSignature]) {
        let message = signed.signedBytes
        let namespace = signed.statement.type.namespace
        var signers: [StatementSigner] = []
        var ignored: [IgnoredSignature] = []
        for (index, blob) in signed.signatures.enumerated() {
            guard index < SignedStatement.signatureLimit else { break }
            switch examine(blob, message, namespace, policy, time, signers) {
            case .success(let signer): signers.append(signer)
            case .failure(let fault):
                ignored.append(IgnoredSignature(index: index, code: fault.code, text: fault.text))
            }
        }
        return (signers, ignored)
    }

    private struct Fault: Error {
        let code: IgnoredSignature.Code
        let text: String
    }

    private static func examine(
        _ blob: [UInt8],
        _ message: [UInt8],
        _ namespace: String,
        _ policy: FleetPolicy,
        _ time: UTCTime,
        _ signers: [StatementSigner]
    ) -> Result<StatementSigner, Fault> {
        let signature: SSHSignature
        do throws(SSHFormatError) {
            signature = try SSHSignature(blob: blob)
        } catch {
            return .failure(Fault(code: .malformed, text: error.description))
        }
        let key = signature.publicKey
        guard let (name, entry) = policy.owner(of: key) else {
            return .failure(Fault(code: .unknownKey, text: "key \(key) is not in the policy"))
        }
        if let obstacle = policy.obstacle(to: entry, of: name, at: time) {
            return .failure(Fault(code: .unusableKey, text: obstacle))
        }
        guard !signers.contains(where: { $0.name == name }) else {
            return .failure(Fault(code: .duplicate, text: "\(name) has signed already"))
        }
        switch signature.verify(message: message, namespace: namespace, requireTouch: entry.requiresTouch) {
        case .valid: return .success(StatementSigner(name: name, key: key))
        case .invalid:
            return .failure(Fault(code: .invalid, text: "the signature of \(name) is not over this statement"))
        case .untouched:
            return .failure(Fault(code: .untouched, text: "the security key of \(name) was not touched"))
        case .otherNamespace(let other):
            let text = "\(name) signed in namespace '\(other)', not in '\(namespace)'"
            return .failure(Fault(code: .otherNamespace, text: text))
        }
    }

    private static func checkItself(
        _ statement: Statement,
        _ fleet: FleetID,
        _ time: UTCTime,
        _ usedIDs: Set<StatementID>
    ) throws(TrustRefusal) {
        let what = "statement \(statement.id)"
        guard statement.fleet == fleet else {
            throw TrustRefusal(.otherFleet, "\(what) is for fleet \(statement.fleet), this is fleet \(fleet)")
        }
        try Validity.check(
            what,
            issued: statement.issued,
            expires: statement.expires,
            lifetime: Statement.maximumLifetime,
            skew: Statement.clockSkew,
            time: time
        )
        guard !usedIDs.contains(statement.id) else {
            throw TrustRefusal(.replayed, "\(what) was carried out before; a statement counts once")
        }
    }

    /// When the request would be allowed, where nothing but the hour stands against it; nil where something else does.
    private static func opens(
        _ request: PolicyRequest,
        _ reasons: [PolicyReason],
        _ policy: FleetPolicy,
        _ time: UTCTime
    ) -> UTCTime? {
        // What stands against it whatever the rules say comes alone.
        if let reason = reasons.first, reasons.count == 1, reason.rule == nil { return reason.opens }
        return policy.verdicts(request, time: time).compactMap { verdict -> UTCTime? in
            guard verdict.shortage == nil, verdict.reasons.allSatisfy({ $0.opens != nil }) else { return nil }
            return verdict.reasons.compactMap(\.opens).max()
        }.min()
    }

    private static func what(_ statement: Statement) -> String {
        "statement \(statement.id) (\(statement.type.rawValue))"
    }

    private static func checkRequester(
        _ statement: Statement,
        _ signers: Set<OperatorName>,
        _ ignored: [IgnoredSignature]
    ) throws(TrustRefusal) {
        guard !signers.contains(statement.requester) else { return }
        let faults = ignored.map { "; " + $0.text }.joined()
        throw TrustRefusal(
            .requesterSignatureMissing,
            "\(what(statement)) is asked for by \(statement.requester), who has not validly signed it\(faults)"
        )
    }

    private static func outcome(
        _ statement: Statement,
        _ request: PolicyRequest,
        _ ignored: [IgnoredSignature],
        _ policy: FleetPolicy,
        _ time: UTCTime
    ) -> StatementVerdict.Outcome {
        do throws(TrustRefusal) {
            try checkRequester(statement, request.signers, ignored)
        } catch {
            return .refused(error)
        }
        switch policy.decide(request, time: time) {
        case .allowed(let rule, let approvers): return .allowed(rule: rule, approvers: approvers)
        case .needsApprovals(let shortage): return .needsApprovals(shortage)
        case .refused(let reasons):
            let text = PolicyDecision.refused(reasons).description
            return .refused(
                TrustRefusal(.notAllowed, "\(what(statement)) is \(text)", opens: opens(request, reasons, policy, time))
            )
        }
    }
}
