import ByteCoding
import MusterModel
import MusterPolicy
import SignatureVerification

/// Checks the statement by which a node joins; the node itself does this, before it believes that it has tags.
public enum EnrollmentVerifier {
    /// How the joining node shows that it is meant.
    public enum Proof: Sendable {
        /// The secret of its token.
        case secret([UInt8])
        /// Its own public key.
        case nodeKey([UInt8])
    }

    /// The tags that the statement gives to the node with this proof.
    ///
    /// Uses of a token are the service's to count: a node cannot know of the others.
    public static func verify(
        _ signed: SignedStatement,
        proof: Proof,
        policy: FleetPolicy,
        fleet: FleetID,
        time: UTCTime
    ) throws(TrustRefusal) -> [Tag] {
        guard case .enroll(let body) = signed.statement.body else {
            throw TrustRefusal(.otherType, "a statement of type '\(signed.statement.type.rawValue)' enrolls nobody")
        }
        guard matches(proof, body.proof) else {
            throw TrustRefusal(.otherProof, "statement \(signed.statement.id) enrolls another node than this one")
        }
        let verdict = StatementVerifier.verify(signed, policy: policy, fleet: fleet, time: time)
        if let refusal = verdict.refusal { throw refusal }
        return body.tags
    }

    private static func matches(_ proof: Proof, _ wanted: EnrollBody.Proof) -> Bool {
        switch (proof, wanted) {
        case (.secret(let secret), .secret(let sha256, _)): ConstantTime.equal(Digest.sha256(secret), sha256)
        case (.nodeKey(let key), .nodeKey(let approved)): ConstantTime.equal(key, approved)
        case (.secret, .nodeKey), (.nodeKey, .secret): false
        }
    }
}
