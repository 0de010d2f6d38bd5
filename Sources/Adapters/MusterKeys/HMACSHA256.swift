import CSodium

/// HMAC-SHA256 (RFC 2104), for programs of others that check what we send them.
///
/// Our own tags are made by `MessageAuthentication`.
public enum HMACSHA256 {
    /// Bytes of a tag.
    public static let tagLength = 32

    /// The tag of `message` by a key of any length.
    public static func tag(of message: [UInt8], key: SecretBytes) -> [UInt8] {
        var state = crypto_auth_hmacsha256_state()
        defer { sodium_memzero(&state, MemoryLayout.size(ofValue: state)) }
        var tag = [UInt8](repeating: 0, count: tagLength)
        _ = key.withBytes { crypto_auth_hmacsha256_init(&state, $0, key.count) }
        crypto_auth_hmacsha256_update(&state, message, UInt64(message.count))
        crypto_auth_hmacsha256_final(&state, &tag)
        return tag
    }
}
