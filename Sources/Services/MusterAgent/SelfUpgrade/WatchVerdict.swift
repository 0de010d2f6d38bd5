import ByteCoding
import CanonicalJSON

/// Whether the new agent stays, `verdict.json`: the first one that is written counts, and nobody changes it.
///
/// ```
/// {"confirmed": false, "reason": "…"}
/// ```
/// The new agent says yes once it has proved itself; it, or the watcher when the time is over, says no.
public enum WatchVerdict: Hashable, Sendable {
    /// The new agent stays.
    case confirmed
    /// It goes, and why.
    case undone(String)

    /// Most bytes of the file.
    static let byteLimit = 65536

    init(_ fields: JSONFields) throws(JSONError) {
        self = try fields.bool("confirmed") ? .confirmed : .undone(try fields.string("reason", limit: 8192))
    }

    var json: JSONValue {
        switch self {
        case .confirmed: ["confirmed": .bool(true), "reason": ""]
        case .undone(let reason): ["confirmed": .bool(false), "reason": .string(reason.bounded(4096))]
        }
    }
}
