import ByteCoding
import CanonicalJSON
import MusterModel

/// A span of time in which nodes are not upgraded, whatever rules allow.
///
/// ```
/// {"name": "year end", "reason": "the books are closed", "from": "2026-12-18T17:00:00Z", "until": "2027-01-04T07:00:00Z",
///  "nodes": ["tag:erp"], "except_security": true}
/// ```
/// It begins at `from` and is over at `until`. With `except_security` it lets security releases through. It never stands
/// against a `roll-back`.
///
/// Compatibility: a freeze with a member that this program does not know freezes all the same.
public struct PolicyFreeze: Hashable, Sendable {
    /// Its name, for people; each freeze of a policy has another.
    public let name: String
    /// Why, as one clause.
    public let reason: String
    /// The first moment of it.
    public let from: UTCTime
    /// The first moment after it.
    public let until: UTCTime
    /// Which nodes it is for.
    public let nodes: [NodeSelector]
    /// Whether security releases are installed all the same.
    public let exceptSecurity: Bool
    /// Members that this program does not know.
    public let unknown: JSONObject

    /// A freeze of these parts.
    public init(
        name: String,
        reason: String,
        from: UTCTime,
        until: UTCTime,
        nodes: [NodeSelector] = [.every],
        exceptSecurity: Bool = false
    ) {
        self.name = name
        self.reason = reason
        self.from = from.wholeSeconds
        self.until = until.wholeSeconds
        self.nodes = nodes
        self.exceptSecurity = exceptSecurity
        unknown = JSONObject()
    }

    /// Reads a freeze.
    public init(_ fields: JSONFields) throws(JSONError) {
        name = try fields.string("name", limit: 128)
        guard !name.isEmpty else { throw fields.error("name", "is empty") }
        reason = try fields.string("reason", limit: 256)
        from = try fields.time("from")
        until = try fields.time("until")
        guard from < until else { throw fields.error("until", "is not after 'from'") }
        nodes = try fields.selectors("nodes")
        exceptSecurity = fields.has("except_security") ? try fields.bool("except_security") : false
        unknown = fields.others(than: ["name", "reason", "from", "until", "nodes", "except_security"])
    }

    var json: JSONValue {
        var object = unknown
        object["name"] = .string(name)
        object["reason"] = .string(reason)
        object["from"] = JSONValue(from)
        object["until"] = JSONValue(until)
        object["nodes"] = nodes.json
        if exceptSecurity { object["except_security"] = true }
        return .object(object)
    }

    /// Whether it is for what is asked, at its time.
    public func binds(_ request: PolicyRequest) -> Bool {
        guard request.action == .upgrade, !(exceptSecurity && request.isSecurity) else { return false }
        guard let node = request.node else { return nodes.contains(.every) }
        return node.isSelected(by: nodes)
    }

    /// Whether `time` is within it.
    public func isActive(at time: UTCTime) -> Bool { from <= time && time < until }

    /// What it says to operators.
    public var text: String {
        "frozen by '\(name)' until \(until)" + (reason.isEmpty ? "" : ": \(reason)")
    }
}
