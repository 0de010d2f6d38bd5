import ByteCoding
import CanonicalJSON
import MusterModel

/// How a run is stored, beside its nodes:
///
/// ```
/// {"id", "limits": {"concurrency", "batch", "max_failures"?, "timeout_seconds", "by_agent"}, "not_before"?, "expires",
///  "phase", "stop"?: {"cause", "reason", "by"?}, "outcome"?, "revision", "clock", "open"}
/// ```
/// Times are milliseconds. Reading refuses what no run can be.
extension Run {
    /// The run without its nodes.
    public var json: JSONValue {
        var object: JSONObject = [
            "id": JSONValue(id), "limits": limits.json, "expires": .integer(expires.milliseconds),
            "phase": .string(phase.rawValue), "revision": .integer(revision), "clock": .integer(clock.milliseconds),
            "open": JSONValue(openCount),
        ]
        if let notBefore { object["not_before"] = .integer(notBefore.milliseconds) }
        if let stop { object["stop"] = stop.json }
        if let outcome { object["outcome"] = .string(outcome.rawValue) }
        return .object(object)
    }

    /// Reads a run with its nodes in the order of their turns; `resume` lets it go on.
    public init(_ fields: JSONFields, nodes: [RunNode]) throws(JSONError) {
        guard nodes.count <= Self.nodeLimit, Set(nodes.map(\.id)).count == nodes.count else {
            throw fields.error("nodes", "has too many, or one twice")
        }
        self.init(
            id: try fields.name("id"),
            limits: try RunLimits(try fields.fields("limits")),
            notBefore: try fields.optional("not_before") { fields, key throws(JSONError) in
                try fields.milliseconds(key)
            },
            expires: try fields.milliseconds("expires"),
            nodes: nodes
        )
        phase = try fields.one("phase")
        stop = try fields.optional("stop") { fields, key throws(JSONError) in try Stop(try fields.fields(key)) }
        outcome = try fields.optional("outcome") { fields, key throws(JSONError) in try fields.one(key) }
        revision = try fields.integer("revision", in: 1...(1 << 53))
        clock = try fields.milliseconds("clock")
        openCount = Int(try fields.integer("open", in: 0...Int64(nodes.count)))
        guard (phase == .ended) == (outcome != nil) else { throw fields.error("outcome", "does not fit the phase") }
        guard phase != .stopping || stop != nil else { throw fields.error("stop", "is missing") }
    }
}

extension Run.Stop {
    fileprivate var json: JSONValue {
        switch self {
        case .cancelled(let reason, let by):
            ["cause": "cancelled", "reason": .string(reason), "by": JSONValue(by)]
        case .denied(let reason, let by): ["cause": "denied", "reason": .string(reason), "by": JSONValue(by)]
        case .halted(let reason): ["cause": "halted", "reason": .string(reason)]
        case .expired(let reason): ["cause": "expired", "reason": .string(reason)]
        }
    }

    fileprivate init(_ fields: JSONFields) throws(JSONError) {
        let reason = try fields.string("reason", limit: Run.reasonLimit)
        switch try fields.string("cause", limit: 32) {
        case "cancelled": self = .cancelled(reason: reason, by: try fields.name("by"))
        case "denied": self = .denied(reason: reason, by: try fields.name("by"))
        case "halted": self = .halted(reason: reason)
        case "expired": self = .expired(reason: reason)
        case let name: throw fields.error("cause", "unknown cause '\(name)'")
        }
    }
}

extension JSONFields {
    /// One of the names of an enumeration.
    fileprivate func one<Value: RawRepresentable<String>>(_ key: String) throws(JSONError) -> Value {
        let name = try string(key, limit: 32)
        guard let value = Value(rawValue: name) else { throw error(key, "'\(name)' is none of those known") }
        return value
    }
}
