import MusterIdentity
import NoticeDelivery

/// Where notices of expiries go, and when.
struct NoticeOptions: Sendable {
    /// The hour of UTC at which the digest comes unless told.
    static let standardHour = 8

    /// Where they go; events are written even where they go nowhere.
    var channels: [any NoticeChannel] = []
    /// The hour of UTC at which the daily digest comes.
    var digestHour = Self.standardHour
    /// How often expiries are looked at.
    var lookEvery: Int64 = 60
}
