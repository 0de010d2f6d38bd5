import ByteCoding
import MusterModel

/// A run that this node may carry out now, with what allows it.
public struct VerifiedRun: Hashable, Sendable {
    /// The statement.
    public let statement: Statement
    /// What it asks for.
    public let body: RunBody
    /// The approved command, the same in the statement and in this node's policy.
    public let definition: ApprovedCommand
    /// What runs: worked out here, by nobody's word but the signed one.
    public let command: ResolvedCommand
    /// Secret arguments by parameter, each sealed for this node's key.
    public let sealed: [ParameterName: [UInt8]]
    /// Whose signatures counted.
    public let signers: [StatementSigner]
    /// The policy's rule that allows it.
    public let rule: String
}

/// What a node says to one run of its manifest.
public enum RunVerdict: Hashable, Sendable {
    /// It may be carried out now, once.
    case allowed(VerifiedRun)
    /// Nothing stands against it but that its time comes then; judge it anew when it has come.
    case notYet(UTCTime)
    /// It is not carried out, and why.
    case refused(TrustRefusal)

    /// The run, where it may be carried out now.
    public var run: VerifiedRun? {
        if case .allowed(let run) = self { return run }
        return nil
    }

    /// Why it is not carried out; nil where it is, or will be.
    public var refusal: TrustRefusal? {
        if case .refused(let refusal) = self { return refusal }
        return nil
    }
}
