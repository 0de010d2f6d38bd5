import ByteCoding

/// Why a signed document is not acted upon, for programs (the code) and for people (the message).
public struct TrustRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// What stands against it.
    public enum Code: String, Hashable, Sendable, CaseIterable {
        /// Not such a document at all, or longer than it may be.
        case malformed
        /// Meant for another fleet.
        case otherFleet = "other-fleet"
        /// Meant for another node.
        case otherNode = "other-node"
        /// Its time is over.
        case expired
        /// It claims to be made later than now.
        case issuedInFuture = "issued-in-future"
        /// It would live longer than anything may.
        case lifetimeTooLong = "lifetime-too-long"
        /// Used before.
        case replayed
        /// A statement of another type than what it is offered as.
        case otherType = "other-type"
        /// The requester has not validly signed.
        case requesterSignatureMissing = "requester-signature-missing"
        /// Approvals are missing.
        case approvalsMissing = "approvals-missing"
        /// The policy does not allow it.
        case notAllowed = "not-allowed"
        /// Not signed by enough keys of the role.
        case underThreshold = "under-threshold"
        /// Nobody may sign such a document in this fleet.
        case noSuchRole = "no-such-role"
        /// The trusted metadata is older than what the document builds on: refresh, then try again.
        case metadataTooOld = "metadata-too-old"
        /// The statement does not select this node.
        case notSelected = "not-selected"
        /// The target is not among those of the statement, or is not a release.
        case otherTarget = "other-target"
        /// The trusted target differs from the one in the statement.
        case targetDiffers = "target-differs"
        /// The package is another than the statement or the release says.
        case otherPackage = "other-package"
        /// The package is for another architecture.
        case otherArchitecture = "other-architecture"
        /// The release is older than the installed one and no `roll-back` allows it.
        case olderRelease = "older-release"
        /// The certificate carries no statement of an operator.
        case statementMissing = "statement-missing"
        /// A certificate of another kind: a host's is no user's.
        case otherKind = "other-kind"
        /// The CA did not sign it, or it is not one of the fleet's CAs.
        case otherAuthority = "other-authority"
        /// For another key than the statement's.
        case otherKey = "other-key"
        /// For another account.
        case otherAccount = "other-account"
        /// The certificate lives longer than the statement or the rule allows.
        case validityTooLong = "validity-too-long"
        /// The certificate does not say where its user may come from.
        case sourceAddressMissing = "source-address-missing"
        /// The certificate forces another command than the statement or the rule, or none.
        case otherCommand = "other-command"
        /// The certificate gives a session more than the rule allows.
        case extensionNotAllowed = "extension-not-allowed"
        /// The approved command is another in this node's policy than the one that was signed.
        case definitionChanged = "definition-changed"
        /// The policy has no such command, or one that this program cannot run.
        case commandUnknown = "command-unknown"
        /// An argument or variable that the approved command does not take, or one that it lacks.
        case argumentNotAllowed = "argument-not-allowed"
        /// A secret was not sealed for this node.
        case secretMissing = "secret-missing"
        /// It is to be run over SSH by its requester, by no agent; or the other way round.
        case overSSH = "over-ssh"
        /// Its time has not come.
        case tooEarly = "too-early"
        /// The joining node does not have the secret or key that the statement names.
        case otherProof = "other-proof"
    }

    /// What stands against it.
    public let code: Code
    /// What was tried, on what, and why it is refused.
    public let message: String
    /// When it would be allowed, where nothing but the hour stands against it.
    public let opens: UTCTime?

    /// A refusal.
    public init(_ code: Code, _ message: String, opens: UTCTime? = nil) {
        self.code = code
        self.message = message
        self.opens = opens
    }

    /// The message.
    public var description: String { message }
}

/// The rules of time that all signed documents of muster share.
enum Validity {
    /// Refuses a document that is over, claims to come from the future, or lives too long.
    static func check(
        _ what: String,
        issued: UTCTime,
        expires: UTCTime,
        lifetime: Int64,
        skew: Int64,
        time: UTCTime
    ) throws(TrustRefusal) {
        guard issued < expires else { throw TrustRefusal(.malformed, "\(what) expires before it is issued") }
        guard expires <= issued.adding(seconds: lifetime) else {
            throw TrustRefusal(.lifetimeTooLong, "\(what) lives longer than \(lifetime / 60) minutes")
        }
        guard time < expires else {
            throw TrustRefusal(.expired, "\(what) expired at \(expires); the time is \(time.wholeSeconds)")
        }
        guard issued <= time.adding(seconds: skew) else {
            throw TrustRefusal(
                .issuedInFuture,
                "\(what) was issued at \(issued), but it is only \(time.wholeSeconds): compare the clocks"
            )
        }
    }
}
