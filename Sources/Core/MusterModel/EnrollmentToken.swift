import ByteCoding

/// The one line that brings a node into a fleet: `muster1.<fleet id>.<secret>`.
///
/// The fleet id pins the first root, so nothing that the service says is believed without proof; the secret shows which
/// `enroll` statement is meant. The description hides the secret: a token is shown once, by `line`.
public struct EnrollmentToken: Sendable, CustomStringConvertible {
    /// Bytes of a secret.
    public static let secretLength = 32

    /// The fleet.
    public let fleet: FleetID
    /// 32 random bytes.
    public let secret: [UInt8]

    /// A token; nil unless the secret has its 32 bytes.
    public init?(fleet: FleetID, secret: [UInt8]) {
        guard secret.count == Self.secretLength else { return nil }
        self.fleet = fleet
        self.secret = secret
    }

    /// Parses a token; white space around it is allowed, since people paste it.
    public init?(line: String) {
        let words = line.split(whereSeparator: { $0 == " " || $0 == "\n" || $0 == "\r" || $0 == "\t" })
        guard words.count == 1 else { return nil }
        let parts = words[0].split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "muster1", let fleet = FleetID(String(parts[1])),
            let secret = Base64.decode(parts[2], alphabet: .url)
        else { return nil }
        self.init(fleet: fleet, secret: secret)
    }

    /// The token as it is pasted: secret.
    public var line: String { "muster1.\(fleet).\(Base64.encode(secret, alphabet: .url))" }

    /// The value as it is written.
    public var description: String { "muster1.\(fleet).(secret)" }
}
