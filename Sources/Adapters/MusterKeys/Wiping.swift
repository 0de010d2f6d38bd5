import CSodium

extension UnsafeMutableRawBufferPointer {
    /// Overwrites the bytes, also where the compiler sees that nobody reads them any more.
    public func wipe() {
        guard let baseAddress else { return }
        sodium_memzero(baseAddress, count)
    }
}
