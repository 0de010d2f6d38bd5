/// Why metadata or a file is not trusted.
///
/// Errors compare by their code.
public struct TUFTrustError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What kind of failure, or attack, this is.
    public enum Code: String, Sendable, CaseIterable {
        /// Not the bytes of such metadata at all.
        case malformed
        /// Metadata of another role than asked for.
        case wrongType
        /// A specification other than 1.x.
        case specVersion
        /// Fewer distinct keys than the threshold have signed.
        case threshold
        /// Its time is over: a freeze attack, or a clock far ahead.
        case expired
        /// A version below the one already trusted.
        case rollback
        /// Not the version, length or hash that the parent metadata names: a mix-and-match attack.
        case mixAndMatch
        /// A role that the snapshot or the delegator does not know, or no longer knows.
        case missingRole
        /// Longer than it may be: an endless data attack.
        case tooLong
        /// Content that is not what the signed metadata says.
        case wrongContent
        /// A path that would leave its directory.
        case unsafePath
        /// More delegations for one file than are followed.
        case tooManyDelegations
        /// Asked for before the metadata it depends on: a mistake of the program.
        case order
    }

    /// What kind of failure this is.
    public let code: Code
    /// What was tried, on what, and why it failed.
    public let message: String

    /// An error with its explanation.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    public var description: String { message }

    /// Whether both are of the same kind.
    public static func == (left: TUFTrustError, right: TUFTrustError) -> Bool { left.code == right.code }
}
