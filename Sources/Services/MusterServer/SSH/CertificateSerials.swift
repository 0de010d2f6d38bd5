import MusterStore
import Synchronization

/// The one sequence of serials of both CAs.
///
/// Serials are taken out of the register in blocks, on disk before the first of a block is used: a crash skips some, and no
/// serial is ever used twice.
final class CertificateSerials: Sendable {
    private static let block: Int64 = 64

    private let store: Store
    private let turnstile = Turnstile()
    private let free = Mutex<ClosedRange<Int64>?>(nil)

    init(_ store: Store) {
        self.store = store
    }

    /// The next serial.
    func next() async throws -> Int64 {
        if let serial = take() { return serial }
        return try await turnstile.pass {
            while true {
                if let serial = take() { return serial }
                let block = try await store.write { try $0.takeSerials(Self.block) }
                free.withLock { $0 = block }
            }
        }
    }

    private func take() -> Int64? {
        free.withLock { free in
            guard let range = free else { return nil }
            free = range.lowerBound < range.upperBound ? (range.lowerBound + 1)...range.upperBound : nil
            return range.lowerBound
        }
    }
}
