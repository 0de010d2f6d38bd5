import ByteCoding

/// What `musterd serve` prints before there is a fleet: `muster-setup1.<digest of its keys>.<secret>`.
///
/// Whoever holds the token may make the fleet, once. The digest lets `muster fleet init` see that the keys it is about to
/// sign are those of the service that printed the token.
public struct SetupToken: Sendable, CustomStringConvertible {
    /// SHA-256 of the canonical bytes of `ServiceDescription.Keys.json`.
    public let keysDigest: [UInt8]
    /// 32 random bytes.
    public let secret: [UInt8]

    /// A token; nil unless both parts have 32 bytes.
    public init?(keysDigest: [UInt8], secret: [UInt8]) {
        guard keysDigest.count == 32, secret.count == 32 else { return nil }
        self.keysDigest = keysDigest
        self.secret = secret
    }

    /// Parses a token; white space around it is allowed.
    public init?(line: String) {
        let words = line.split(whereSeparator: { $0 == " " || $0 == "\n" || $0 == "\r" || $0 == "\t" })
        guard words.count == 1 else { return nil }
        let parts = words[0].split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "muster-setup1", let digest = Hex.decode(parts[1]),
            let secret = Base64.decode(parts[2], alphabet: .url)
        else { return nil }
        self.init(keysDigest: digest, secret: secret)
    }

    /// The token as it is pasted: secret.
    public var line: String {
        "muster-setup1.\(Hex.encode(keysDigest)).\(Base64.encode(secret, alphabet: .url))"
    }

    /// The token without its secret.
    public var description: String { "muster-setup1.\(Hex.encode(keysDigest)).(secret)" }
}
