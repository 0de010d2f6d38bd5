import RemoteShell
import Synchronization

/// Pieces of output with the moment of each.
final class LockedPieces: Sendable {
    private let pieces = Mutex<[(moment: ContinuousClock.Instant, piece: RemoteOutput)]>([])

    var all: [(moment: ContinuousClock.Instant, piece: RemoteOutput)] { pieces.withLock { $0 } }

    func add(_ piece: RemoteOutput) {
        pieces.withLock { $0.append((.now, piece)) }
    }
}
