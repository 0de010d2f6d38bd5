import ByteCoding
import MusterAPI
import MusterModel
import MusterPolicy
import MusterTrust

/// A run's statement as the service shows it, examined with what this person trusts.
struct RunReview: Sendable {
    let statement: Statement
    let body: RunBody
    /// Operators whose signatures are valid by the trusted policy today.
    let signers: [OperatorName]

    /// Reads what is signed; refuses a statement that is not the run's, or says more than this program understands.
    init(_ record: RunRecord, fleet: FleetID, policy: FleetPolicy, now: UTCTime) throws {
        statement = record.statement.statement
        guard statement.id == record.id, statement.fleet == fleet, case .run(let body) = statement.body else {
            throw CommandFailure.refused("the statement that the service shows is not that of run \(record.id)")
        }
        // Members that this program does not know would be signed, or believed, unread.
        guard record.statement.signed == statement.json else {
            throw CommandFailure.refused("the statement says more than this program understands: update muster")
        }
        self.body = body
        signers = StatementVerifier.signatures(of: record.statement, policy: policy, time: now).signers.map(\.name)
    }

    /// Refuses what nobody should sign now: expired, not asked for by whom it says, or no longer what the policy says.
    func checkSignable(policy: FleetPolicy, now: UTCTime) throws {
        guard statement.expires > now else {
            throw CommandFailure.refused("the statement expired at \(statement.expires)")
        }
        guard statement.issued <= now.adding(seconds: Statement.clockSkew) else {
            throw CommandFailure.refused("the statement was made at \(statement.issued), which is still to come")
        }
        guard statement.expires.seconds - statement.issued.seconds <= RunBody.statementLifetime else {
            throw CommandFailure.refused("the statement lives longer than 7 days")
        }
        if let begin = body.notBefore, begin >= statement.expires {
            throw CommandFailure.refused("it would begin at \(begin), after the statement expires")
        }
        guard signers.contains(statement.requester) else {
            throw CommandFailure.refused(
                "\(statement.requester) has not validly signed it: the service shows a request that was never made"
            )
        }
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
