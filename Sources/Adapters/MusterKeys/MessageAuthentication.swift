import CSodium

/// Tags that only the holder of one secret can make and check (HMAC-SHA512-256), for session tokens.
public struct MessageAuthentication: Sendable {
    /// Bytes of the secret.
    public static let keyLength = 32
    /// Bytes of a tag.
    public static let tagLength = 32

    private let key: SecretBytes

    /// Tags by a secret of 32 bytes; nil for any other length.
    public init?(key: SecretBytes) {
        guard key.count == Self.keyLength else { return nil }
        self.key = key
    }

    private init() {
        key = SecretBytes(random: Self.keyLength)
    }

    /// Tags by a new random secret: they are worth nothing once the program has ended.
    public static func generate() -> MessageAuthentication { MessageAuthentication() }

    /// The tag of `message`.
    public func tag(for message: [UInt8]) -> [UInt8] {
        var tag = [UInt8](repeating: 0, count: Self.tagLength)
        _ = key.withBytes { crypto_auth(&tag, message, UInt64(message.count), $0) }
        return tag
    }

    /// Whether `tag` is the tag of `message`, compared in constant time.
    public func verify(tag: [UInt8], for message: [UInt8]) -> Bool {
        guard tag.count == Self.tagLength else { return false }
        return key.withBytes { crypto_auth_verify(tag, message, UInt64(message.count), $0) } == 0
    }
}
