import CSodium

/// Random bytes of the kernel's generator, good enough for keys.
public enum RandomBytes {
    /// `count` random bytes, for ids, challenges and salts; see `SecretBytes` for keys.
    public static func make(_ count: Int) -> [UInt8] {
        Sodium.start()
        var bytes = [UInt8](repeating: 0, count: count)
        randombytes_buf(&bytes, count)
        return bytes
    }
}
