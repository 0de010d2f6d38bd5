import ByteCoding
import MusterAPI
import MusterModel
import MusterPolicy
import MusterTrust

/// A statement as the service shows it, examined with what this person trusts.
///
/// Requester and approvers sign the same bytes in the same namespace: the signature of whom the statement names as its
/// requester is a whole request. So nobody signs a statement in which they ask themselves, nor one that nobody asked for.
struct StatementReview: Sendable {
    let statement: Statement
    /// Operators whose signatures are valid by the trusted policy today.
    let signers: [OperatorName]
    private let signed: SignedStatement

    /// Reads what is signed; refuses a statement that is not the one of `what`, which has this id.
    init(
        _ signed: SignedStatement,
        id: StatementID,
        of what: String,
        fleet: FleetID,
        policy: FleetPolicy,
        now: UTCTime
    ) throws {
        self.signed = signed
        statement = signed.statement
        signers = StatementVerifier.signatures(of: signed, policy: policy, time: now).signers.map(\.name)
        guard statement.id == id, statement.fleet == fleet else { throw Self.mismatch(what) }
    }

    /// Reads the statement of a rollout, which has the rollout's id.
    init(_ record: RolloutRecord, _ id: RolloutID, fleet: FleetID, policy: FleetPolicy, now: UTCTime) throws {
        try self.init(record.statement, id: id, of: "rollout \(id)", fleet: fleet, policy: policy, now: now)
    }

    /// What is said of a statement that is not the one of `what`.
    static func mismatch(_ what: String) -> CommandFailure {
        .refused("the statement that the service shows is not that of \(what)")
    }

    /// Whether whom it names as its requester has validly signed it.
    var isAsked: Bool { signers.contains(statement.requester) }

    /// Refuses members that this program does not know: they would be signed, or believed, unread.
    func checkUnderstood() throws {
        guard signed.signed == statement.json else {
            throw CommandFailure.refused("the statement says more than this program understands: update muster")
        }
    }

    /// Refuses a statement that is over, still to come, or good for more than `lifetime` seconds.
    func checkTimes(lifetime: Int64, now: UTCTime) throws {
        guard statement.expires > now else {
            throw CommandFailure.refused("the statement expired at \(statement.expires)")
        }
        guard statement.issued <= now.adding(seconds: Statement.clockSkew) else {
            throw CommandFailure.refused("the statement was made at \(statement.issued), which is still to come")
        }
        guard statement.expires.seconds - statement.issued.seconds <= lifetime else {
            throw CommandFailure.refused("the statement lives longer than \(Moments.span(Int(lifetime)))")
        }
    }

    /// Refuses a statement that its requester has not validly signed.
    func checkAsked() throws {
        guard isAsked else {
            throw CommandFailure.refused(
                "\(statement.requester) has not validly signed it: the service shows a request that was never made"
            )
        }
    }

    /// Refuses a signature of `me` that would be anything but an approval that counts; returns what the policy says before.
    ///
    /// `judge` says what the policy says once these have signed. What may be refused on some nodes, for each decides by
    /// itself, is `somewhere`.
    func checkApproval(
        by me: OperatorName,
        somewhere: Bool = false,
        _ judge: (Set<OperatorName>) -> NodeJudgement
    ) throws -> NodeJudgement {
        guard me != statement.requester else {
            throw CommandFailure.refused("you asked for it yourself: who asks never counts as an approver")
        }
        let before = judge(Set(signers))
        let after = judge(Set(signers).union([me]))
        if let refusal = after.refusal, !somewhere || after.isRefusedEverywhere {
            throw CommandFailure.refused("the policy refuses it: \(refusal)")
        }
        guard !signers.contains(me) else { throw CommandFailure.refused("you have signed it already") }
        guard before.missing == 0 || after.missing < before.missing else {
            throw CommandFailure.refused("your approval counts for no rule: \(before.groups[0].decision)")
        }
        return before
    }
}
