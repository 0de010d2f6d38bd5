import ByteCoding

/// The keys on a node's disk, by their public halves, and what the node does with them: its side of a rotation.
///
/// ```
/// node.key                    the key in use
/// node.key + node.key.next    a rotation goes on: the service knows the first, the second, or both
/// ```
/// The node never gives up `current` before a session with `next` was opened, and the service never retires `current`
/// before that session: so one of the two is accepted at every moment, wherever either side dies.
public struct NodeKeyring: Hashable, Sendable {
    /// The key in `node.key`.
    public private(set) var current: [UInt8]
    /// The key in `node.key.next`.
    public private(set) var next: [UInt8]?

    /// The keys as they were found on the disk.
    public init(current: [UInt8], next: [UInt8]?) {
        self.current = current
        self.next = next == current ? nil : next
    }

    /// The keys to open a session with, in the order in which to try them: where the new one is accepted the old one is
    /// retired with that, where it is unknown it was never offered.
    public var candidates: [[UInt8]] { [next, current].compactMap(\.self) }

    /// What to do towards a new key.
    public enum Step: Hashable, Sendable {
        /// Make one and put it on the disk.
        case make
        /// Offer this one, signed by both, then open a session with it.
        case offer([UInt8])
    }

    /// What to do now.
    public var rotation: Step { next.map { .offer($0) } ?? .make }

    /// A new key is on the disk.
    public mutating func made(_ key: [UInt8]) {
        next = key
    }

    /// Whether the key that opened a session is to be put in the place of the old one.
    public func isProven(by key: [UInt8]) -> Bool { key == next }

    /// The new key stands in the place of the old one on the disk.
    public mutating func adopted() {
        guard let next else { return }
        current = next
        self.next = nil
    }

    /// Whether the service asks for a new key, by what it said in answer to a report.
    ///
    /// By the service's clock alone: a node whose own clock is wrong must not lose its key over it.
    public static func isDue(state: String, rotateAfter: UTCTime, serviceTime: UTCTime) -> Bool {
        switch NodeKeyLife.State(rawValue: state) {
        case .extended: true
        case .expired: false
        case .current, .due, .exempt, nil: serviceTime >= rotateAfter
        }
    }
}
