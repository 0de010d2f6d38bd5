import ByteCoding
import MusterKeys
import MusterModel

extension CommandContext {
    /// An id that no statement has.
    func newStatementID() throws -> StatementID {
        guard let id = StatementID(random: RandomBytes.make(16)) else {
            throw CommandFailure.refused("cannot make a statement id")
        }
        return id
    }

    /// A statement of the configured operator, signed with the operator's key.
    ///
    /// `id` is given where the body depends on it.
    func signedStatement(_ body: StatementBody, lifetime: Int, id: StatementID? = nil) async throws -> SignedStatement {
        guard (60...Int(Statement.maximumLifetime)).contains(lifetime) else {
            throw CommandFailure.usage("a statement lives at least a minute and at most 30 days")
        }
        let statement = Statement(
            fleet: try folder.fleet().fleet,
            id: try id ?? newStatementID(),
            requester: try folder.operatorIdentity().name,
            issued: now(),
            expires: now().adding(seconds: Int64(lifetime)),
            body: body
        )
        var signed = SignedStatement(statement)
        signed.signatures = [try await OperatorKey.sign(signed.signedBytes, type: body.type, self)]
        return signed
    }
}
