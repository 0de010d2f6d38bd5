import ByteCoding
import MusterKeys
import MusterModel

extension CommandContext {
    /// A statement of the configured operator, signed with the operator's key.
    func signedStatement(_ body: StatementBody, lifetime: Int) async throws -> SignedStatement {
        guard (60...Int(Statement.maximumLifetime)).contains(lifetime) else {
            throw CommandFailure.usage("a statement lives at least a minute and at most 30 days")
        }
        guard let id = StatementID(random: RandomBytes.make(16)) else {
            throw CommandFailure.refused("cannot make a statement id")
        }
        let statement = Statement(
            fleet: try folder.fleet().fleet,
            id: id,
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
