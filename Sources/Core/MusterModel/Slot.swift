import ByteCoding
import CanonicalJSON

/// Whether changes may begin at a moment, until when that is known to hold, and why.
///
/// ```
/// {"open": false, "until": 1795212000000, "reason": "frozen by 'year end' until 2027-01-04T00:00:00Z: no changes"}
/// ```
public struct Slot: Hashable, Sendable {
    /// Longest reason, in bytes.
    public static let reasonLimit = 512

    /// Whether changes may begin.
    public let isOpen: Bool
    /// When it has to be looked up again; nil where nothing is known to change.
    public let until: UTCTime?
    /// Why it is closed, as one clause; empty while it is open.
    public let reason: String

    private init(isOpen: Bool, until: UTCTime?, reason: String) {
        self.isOpen = isOpen
        self.until = until
        self.reason = reason.bounded(Self.reasonLimit)
    }

    /// Changes may begin before `until`; nil where nothing ever closes it.
    public static func open(until: UTCTime?) -> Slot { Slot(isOpen: true, until: until, reason: "") }

    /// No change may begin before `until`; nil where it is not known ever to open.
    public static func closed(until: UTCTime?, reason: String) -> Slot {
        Slot(isOpen: false, until: until, reason: reason)
    }

    /// Whether what it says still holds at `time`.
    public func holds(at time: UTCTime) -> Bool { until.map { time < $0 } ?? true }

    /// Reads a slot.
    public init(_ fields: JSONFields) throws(JSONError) {
        self.init(
            isOpen: try fields.bool("open"),
            until: try fields.optional("until") { fields, key throws(JSONError) in try fields.milliseconds(key) },
            reason: fields.has("reason") ? try fields.string("reason", limit: Self.reasonLimit) : ""
        )
    }

    /// The slot as it is stored.
    public var json: JSONValue {
        var object: JSONObject = ["open": .bool(isOpen)]
        if let until { object["until"] = .integer(until.milliseconds) }
        if !reason.isEmpty { object["reason"] = .string(reason) }
        return .object(object)
    }
}
