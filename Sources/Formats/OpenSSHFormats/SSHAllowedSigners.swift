import ByteCoding

/// The file that says whose keys may sign what, as `ssh-keygen -Y verify -f` reads it.
///
/// ```
/// ada@example.com,*@ops.example.com namespaces="git,file",valid-before="20270101000000Z" ssh-ed25519 AAAA… comment
/// ```
/// Strict where ssh-keygen guesses: times must end in `Z` (it would take the reader's own time zone), no option may stand
/// twice, and a line that cannot be read spoils the file rather than being passed over. Lines of `cert-authority` are read,
/// and allow nobody: signatures by certified keys are not accepted here.
public struct SSHAllowedSigners: Hashable, Sendable {
    /// Most bytes of a file.
    public static let byteLimit = 1_000_000
    /// Most bytes of a line.
    public static let lineLimit = 10_000

    /// One line.
    public struct Entry: Hashable, Sendable {
        /// Patterns of those who sign, separated by commas.
        public let principals: String
        /// Their key.
        public let publicKey: SSHPublicKey
        /// Whether the key certifies those of others.
        public let isAuthority: Bool
        /// Patterns of what the key may sign for; nil for anything.
        public let namespaces: String?
        /// From when on, that second included.
        public let validAfter: UTCTime?
        /// Until when, that second included: unlike a certificate's.
        public let validBefore: UTCTime?

        /// A line of these parts; the error says which does not fit.
        public init(
            principals: String,
            publicKey: SSHPublicKey,
            isAuthority: Bool = false,
            namespaces: String? = nil,
            validAfter: UTCTime? = nil,
            validBefore: UTCTime? = nil
        ) throws(SSHFormatError) {
            for text in [principals, namespaces ?? "-"] {
                guard !text.isEmpty, text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "\"") })
                else {
                    throw SSHFormatError(
                        SSHAllowedSigners.subject,
                        "a list of names is empty, or holds a space or quote"
                    )
                }
            }
            if let validAfter, let validBefore, validBefore < validAfter {
                throw SSHFormatError(SSHAllowedSigners.subject, "a line is valid from \(validAfter) to \(validBefore)")
            }
            guard principals.utf8.first != UInt8(ascii: "#") else {
                throw SSHFormatError(SSHAllowedSigners.subject, "a name begins with #, which makes its line a comment")
            }
            self.principals = principals
            self.publicKey = publicKey
            self.isAuthority = isAuthority
            self.namespaces = namespaces
            self.validAfter = validAfter?.wholeSeconds
            self.validBefore = validBefore?.wholeSeconds
        }
    }

    /// The lines, in order.
    public let entries: [Entry]

    /// A file of these lines.
    public init(_ entries: [Entry]) {
        self.entries = entries
    }

    /// Parses a file; the error names the line.
    public init(text: String) throws(SSHFormatError) {
        guard text.utf8.count <= Self.byteLimit else {
            throw SSHFormatError(Self.subject, "is longer than \(Self.byteLimit) bytes")
        }
        var entries: [Entry] = []
        for (number, line) in text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            do throws(SSHFormatError) {
                if let entry = try Entry(line: Array(line)) { entries.append(entry) }
            } catch {
                throw SSHFormatError(Self.subject, "line \(number + 1): \(error.reason)")
            }
        }
        self.entries = entries
    }

    /// The file's text, without comments.
    public var text: String { entries.map { $0.line + "\n" }.joined() }

    static let subject = "allowed signers"
}

/// What a file of allowed signers says to a signature.
public enum SSHAllowedSignersDecision: Hashable, Sendable {
    /// Allowed, by the first line that fits.
    case allowed(SSHAllowedSigners.Entry)
    /// Not allowed: in words, for the line that comes closest.
    case refused(String)

    /// Whether it is allowed.
    public var isAllowed: Bool {
        if case .allowed = self { return true }
        return false
    }
}

extension SSHAllowedSigners {
    /// Whether `principal` may sign with this key for this namespace at this time; the signature itself is another question.
    public func decide(
        _ publicKey: SSHPublicKey,
        principal: String,
        namespace: String,
        time: UTCTime
    ) -> SSHAllowedSignersDecision {
        var reason = "no line names \(publicKey)"
        for entry in entries where entry.publicKey == publicKey {
            guard let obstacle = entry.obstacle(principal, namespace, time) else { return .allowed(entry) }
            reason = obstacle
        }
        return .refused(reason)
    }

    /// Whether `principal` signed `message` in `namespace`, and may at `time`.
    public func verify(
        _ signature: SSHSignature,
        message: [UInt8],
        principal: String,
        namespace: String,
        time: UTCTime,
        requireTouch: Bool = true
    ) -> SSHAllowedSignersDecision {
        let decision = decide(signature.publicKey, principal: principal, namespace: namespace, time: time)
        guard decision.isAllowed else { return decision }
        switch signature.verify(message: message, namespace: namespace, requireTouch: requireTouch) {
        case .valid: return decision
        case .invalid: return .refused("the signature is not over this message")
        case .otherNamespace(let other): return .refused("the signature is for namespace '\(other)'")
        case .untouched: return .refused("nobody touched the security key")
        }
    }
}

extension SSHAllowedSigners.Entry {
    fileprivate func obstacle(_ principal: String, _ namespace: String, _ time: UTCTime) -> String? {
        if isAuthority { return "the line of this key is for certificates by it" }
        guard SSHPattern.matches(principal, list: principals) else { return "the key is not one of '\(principal)'" }
        if let namespaces, !SSHPattern.matches(namespace, list: namespaces) {
            return "the key does not sign for namespace '\(namespace)'"
        }
        if let validAfter, time.wholeSeconds < validAfter { return "the key signs only from \(validAfter) on" }
        if let validBefore, time.wholeSeconds > validBefore { return "the key signed only until \(validBefore)" }
        return nil
    }
}
