import ByteCoding
import CanonicalJSON

/// Whether the new agent stays, `verdict.json`: the first one that is written counts, and nobody changes it.
///
/// ```
/// {"confirmed": false, "reason": "…"}
/// ```
/// The new agent says yes once it has proved itself; it, or the watcher when the time is over, says no.
public enum WatchVerdict: Hashable, Sendable {
    /// The new agent stays; which of its checks could not be asked here, if any.
    case confirmed(String)
    /// It goes, and why.
    case undone(String)

    /// Most bytes of the file.
    static let byteLimit = 65536

    init(_ fields: JSONFields) throws(JSONError) {
        let reason = try fields.string("reason", limit: 8192)
        self = try fields.bool("confirmed") ? .confirmed(reason) : .undone(reason)
    }

    var json: JSONValue {
        switch self {
        case .confirmed(let note): ["confirmed": .bool(true), "reason": .string(note.bounded(4096))]
        case .undone(let reason): ["confirmed": .bool(false), "reason": .string(reason.bounded(4096))]
        }
    }
}
