import ByteCoding

/// The life of one node's key, as the service keeps it: from its making over its replacement to its expiry.
///
/// ```
/// since            rotateAfter        expires
///   |---- current ----|------ due ------|---- expired ----|-- extended (30 min) --|-- expired …
/// ```
/// From `offer` until the first session that the new key opens, both keys open sessions: whichever of the two a node
/// still has after a crash, one of them is accepted (`RotationSimulationTests`). An exempt node replaces its key as often as
/// any other; only its expiry has no effect.
public struct NodeKeyLife: Hashable, Sendable {
    /// What a key may do at a moment.
    public enum State: String, Hashable, Sendable, CaseIterable {
        /// Everything.
        case current
        /// Everything, and the node shall replace it: the last third of its life.
        case due
        /// Nothing but say "I am here" and read what everybody may read.
        case expired
        /// Everything, for half an hour after an operator said so; the node replaces it at once.
        case extended
        /// Everything: an operator exempted the node from expiry.
        case exempt
    }

    /// A key that was offered and opened no session yet.
    public struct Next: Hashable, Sendable {
        /// The Ed25519 public key.
        public let key: [UInt8]
        /// When it was offered: from when its life is counted.
        public let since: UTCTime

        /// An offered key.
        public init(key: [UInt8], since: UTCTime) {
            self.key = key
            self.since = since
        }
    }

    /// How many days a key may be let live.
    public static let days = 1...365
    /// How many days it lives unless told.
    public static let standardDays = 180
    /// Seconds for which `extend` lets an expired key act.
    public static let extensionSeconds: Int64 = 1800
    /// Least seconds between two replacements: a day, or a third of a shorter life.
    private static let longestPause: Int64 = 86400
    /// Least seconds between two keys that are offered before either was used.
    private static let offerPause: Int64 = 60

    /// The Ed25519 public key that is in use.
    public private(set) var key: [UInt8]
    /// When its life began.
    public private(set) var since: UTCTime
    /// When it ends, unless the node is exempt.
    public private(set) var expires: UTCTime
    /// Whether an operator exempted the node from expiry.
    public private(set) var isExempt: Bool
    /// Until when it may act although it has expired.
    public private(set) var extendedUntil: UTCTime?
    /// The key that is to follow, once it has opened a session.
    public private(set) var next: Next?
    /// Whether the service has taken note that the key expired: the event is written, and rollouts know.
    public var isExpiryNoted: Bool

    /// A new key's life.
    public init(key: [UInt8], since: UTCTime, lifetime seconds: Int64) {
        self.init(key: key, since: since, expires: since.adding(seconds: seconds))
    }

    /// A key's life as it was stored.
    public init(
        key: [UInt8],
        since: UTCTime,
        expires: UTCTime,
        isExempt: Bool = false,
        extendedUntil: UTCTime? = nil,
        next: Next? = nil,
        isExpiryNoted: Bool = false
    ) {
        self.key = key
        self.since = since
        self.expires = expires
        self.isExempt = isExempt
        self.extendedUntil = extendedUntil
        self.next = next
        self.isExpiryNoted = isExpiryNoted
    }

    // MARK: - What holds at a moment

    /// What the key may do at `time`.
    public func state(at time: UTCTime) -> State {
        if isExempt { return .exempt }
        if time >= expires { return extendedUntil.map { time < $0 } == true ? .extended : .expired }
        return time >= rotateAfter ? .due : .current
    }

    /// Whether the node may do nothing but say that it is there.
    public func isLimited(at time: UTCTime) -> Bool { state(at: time) == .expired }

    /// From when on the node shall replace the key.
    ///
    /// In the last third of its life, spread over a twelfth of it by the key itself: nodes that joined at once do not all
    /// come at once.
    public var rotateAfter: UTCTime {
        let life = expires.milliseconds - since.milliseconds
        let spread = key.prefix(2).reduce(Int64(0)) { $0 << 8 | Int64($1) }
        return since.adding(milliseconds: life / 3 * 2 + life / 12 * spread / 65536)
    }

    /// When `isLimited` may change by itself, after `time`; nil where it does not.
    public func nextChange(after time: UTCTime) -> UTCTime? {
        guard !isExempt else { return nil }
        return [expires, extendedUntil].compactMap(\.self).filter { $0 > time }.min()
    }

    // MARK: - Replacing it

    /// What becomes of an offered key.
    public enum Offer: Hashable, Sendable {
        /// Both keys open sessions from now on, once this is on disk.
        case accepted
        /// It was offered, or is in use, already: nothing changed.
        case known
        /// The key has expired: an operator must extend it first.
        case expired
        /// The last change is too recent; again after so many seconds.
        case tooEarly(seconds: Int64)
    }

    /// Takes a new key that the present one and itself have signed.
    public mutating func offer(_ new: [UInt8], at time: UTCTime) -> Offer {
        if new == key || new == next?.key { return .known }
        let state = state(at: time)
        if state == .expired { return .expired }
        let earliest: UTCTime? =
            if let next {
                next.since.adding(seconds: Self.offerPause)
            } else if state == .extended {
                nil
            } else {
                since.adding(
                    milliseconds: min(Self.longestPause * 1000, (expires.milliseconds - since.milliseconds) / 3)
                )
            }
        if let earliest, time < earliest {
            return .tooEarly(seconds: (earliest.milliseconds - time.milliseconds + 999) / 1000)
        }
        next = Next(key: new, since: time)
        return .accepted
    }

    /// What a key that proved itself in a session is.
    public enum Use: Hashable, Sendable {
        /// The one in use.
        case present
        /// The one that was to follow: it is in use now, and `retired` never opens a session again.
        case replaced(retired: [UInt8])
        /// None of the node's.
        case unknown
    }

    /// A session is being opened with a key; a replacement must be on disk before the session is given out.
    public mutating func use(_ used: [UInt8], lifetime seconds: Int64) -> Use {
        if used == key { return .present }
        guard let next, used == next.key else { return .unknown }
        let retired = key
        key = next.key
        since = next.since
        expires = next.since.adding(seconds: seconds)
        extendedUntil = nil
        self.next = nil
        isExpiryNoted = false
        return .replaced(retired: retired)
    }

    /// A later key takes the place of the present one, which signed the way to it: a register that was put back to an older
    /// state had not heard of that.
    public mutating func follow(_ later: [UInt8], at time: UTCTime, lifetime seconds: Int64) {
        key = later
        since = time
        expires = time.adding(seconds: seconds)
        extendedUntil = nil
        next = nil
        isExpiryNoted = false
    }

    // MARK: - What operators do

    /// Lets an expired key act for half an hour from `time`; false where it has not expired.
    public mutating func extend(at time: UTCTime) -> Bool {
        guard !isExempt, time >= expires else { return false }
        extendedUntil = time.adding(seconds: Self.extensionSeconds)
        isExpiryNoted = false
        return true
    }

    /// Exempts the node from expiry, or ends that; false where nothing changes.
    public mutating func exempt(_ isExempt: Bool) -> Bool {
        guard isExempt != self.isExempt else { return false }
        self.isExempt = isExempt
        if isExempt { isExpiryNoted = false }
        return true
    }
}
