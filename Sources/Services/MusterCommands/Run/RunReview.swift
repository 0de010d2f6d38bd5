import ByteCoding
import MusterAPI
import MusterModel
import MusterPolicy

/// A run's statement as the service shows it, examined with what this person trusts.
struct RunReview: Sendable {
    let review: StatementReview
    let body: RunBody

    var statement: Statement { review.statement }
    /// Operators whose signatures are valid by the trusted policy today.
    var signers: [OperatorName] { review.signers }

    /// Reads what is signed; refuses a statement that is not the run's, or says more than this program understands.
    init(_ record: RunRecord, fleet: FleetID, policy: FleetPolicy, now: UTCTime) throws {
        let what = "run \(record.id)"
        let review = try StatementReview(
            record.statement,
            id: record.id,
            of: what,
            fleet: fleet,
            policy: policy,
            now: now
        )
        guard case .run(let body) = review.statement.body else { throw StatementReview.mismatch(what) }
        try review.checkUnderstood()
        self.review = review
        self.body = body
    }

    /// Refuses what nobody should sign now: expired, not asked for by whom it says, or no longer what the policy says.
    func checkSignable(policy: FleetPolicy, now: UTCTime) throws {
        try review.checkTimes(lifetime: RunBody.statementLifetime, now: now)
        if let begin = body.notBefore, begin >= statement.expires {
            throw CommandFailure.refused("it would begin at \(begin), after the statement expires")
        }
        try review.checkAsked()
        guard let definition = policy.commands[body.command] else {
            throw CommandFailure.refused("the policy has no command '\(body.command)'")
        }
        guard definition.isSame(as: body.definition) else {
            throw CommandFailure.refused(
                "the policy says something else of '\(body.command)' by now: nodes would refuse it; it must be asked for anew"
            )
        }
        for name in definition.secrets {
            let missing = body.nodes.filter { body.sealed[name]?[$0] == nil }
            guard missing.isEmpty else {
                throw CommandFailure.refused("the secret '\(name)' is not there for \(missing.count) of its nodes")
            }
        }
    }

    /// When it begins at the earliest: what time windows are judged by.
    func beginning(now: UTCTime) -> UTCTime { max(now, body.notBefore ?? now) }
}
