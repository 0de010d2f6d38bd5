import CSodium

/// Bytes that must not outlive their use: kept apart from the heap by libsodium and wiped when nobody refers to them.
///
/// Neither printed, nor compared with `==`, nor copied into a string.
public final class SecretBytes: Sendable, CustomStringConvertible {
    /// How many bytes.
    public let count: Int
    /// Written only in `init`, so every thread may read it.
    nonisolated(unsafe) private let storage: UnsafeMutablePointer<UInt8>

    /// `count` bytes that `fill` writes, and no more; they are zero before.
    public init(count: Int, _ fill: (UnsafeMutablePointer<UInt8>) -> Void) {
        Sodium.start()
        guard let memory = sodium_malloc(max(count, 1)) else {
            preconditionFailure("no memory for a secret of \(count) bytes")
        }
        self.count = count
        storage = memory.assumingMemoryBound(to: UInt8.self)
        sodium_memzero(memory, count)
        fill(storage)
    }

    /// Takes over `bytes`, which are wiped.
    public convenience init(wiping bytes: inout [UInt8]) {
        self.init(count: bytes.count) { $0.initialize(from: bytes, count: bytes.count) }
        sodium_memzero(&bytes, bytes.count)
        bytes = []
    }

    /// `count` random bytes.
    public convenience init(random count: Int) {
        self.init(count: count) { randombytes_buf($0, count) }
    }

    deinit {
        sodium_free(storage)
    }

    /// Calls `body` with the `count` bytes; they must not be copied to where nobody wipes them.
    public func withBytes<Result>(_ body: (UnsafePointer<UInt8>) throws -> Result) rethrows -> Result {
        try body(storage)
    }

    /// Whether both hold the same bytes; takes the same time for any two of one length.
    public func equals(_ other: SecretBytes) -> Bool {
        count == other.count && sodium_memcmp(storage, other.storage, count) == 0
    }

    /// Never the bytes.
    public var description: String { "(secret of \(count) bytes)" }
}
