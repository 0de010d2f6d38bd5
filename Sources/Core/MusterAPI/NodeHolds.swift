import ByteCoding
import CanonicalJSON
import MusterModel

/// `POST /v1/nodes/{id}/hold`: rollouts pass the node by until somebody lifts it.
public struct HoldRequest: Body {
    /// Why, in words.
    public let reason: String
    /// When it ends by itself; nil for never.
    public let until: UTCTime?

    /// A hold.
    public init(reason: String, until: UTCTime? = nil) {
        self.reason = reason
        self.until = until
    }

    /// Reads a hold.
    public init(_ fields: JSONFields) throws(JSONError) {
        reason = try fields.string("reason", limit: 1024)
        until = try fields.optional("until") { fields, key throws(JSONError) in try fields.milliseconds(key) }
    }

    /// The hold as it is sent.
    public var json: JSONValue {
        var object: JSONObject = ["reason": .string(reason)]
        if let until { object["until"] = .integer(until.milliseconds) }
        return .object(object)
    }
}

/// `POST /v1/nodes/{id}/pin`: a package of the node stays as it is, or at one version.
public struct PinRequest: Body {
    /// The package.
    public let package: String
    /// The only version that it may have; nil for the one that it has.
    public let version: String?
    /// Why, in words.
    public let reason: String

    /// A pin.
    public init(package: String, version: String? = nil, reason: String) {
        self.package = package
        self.version = version
        self.reason = reason
    }

    /// Reads a pin.
    public init(_ fields: JSONFields) throws(JSONError) {
        package = try fields.string("package", limit: 256)
        version = try fields.optional("version") { fields, key throws(JSONError) in
            try fields.string(key, limit: 256)
        }
        reason = try fields.string("reason", limit: 1024)
    }

    /// The pin as it is sent.
    public var json: JSONValue {
        var object: JSONObject = ["package": .string(package), "reason": .string(reason)]
        if let version { object["version"] = .string(version) }
        return .object(object)
    }
}

/// `POST /v1/nodes/{id}/unpin`.
public struct UnpinRequest: Body {
    /// The package.
    public let package: String
    /// Why, in words; may be empty.
    public let reason: String

    /// The end of a pin.
    public init(package: String, reason: String = "") {
        self.package = package
        self.reason = reason
    }

    /// Reads the end of a pin.
    public init(_ fields: JSONFields) throws(JSONError) {
        package = try fields.string("package", limit: 256)
        reason = fields.has("reason") ? try fields.string("reason", limit: 1024) : ""
    }

    /// The end of a pin as it is sent.
    public var json: JSONValue { ["package": .string(package), "reason": .string(reason)] }
}

/// Why rollouts pass a node by.
public struct HoldRecord: Hashable, Sendable {
    /// Why, in words.
    public let reason: String
    /// Who said so.
    public let by: OperatorName
    /// Since when.
    public let since: UTCTime
    /// When it ends by itself; nil for never.
    public let until: UTCTime?

    /// A hold.
    public init(reason: String, by: OperatorName, since: UTCTime, until: UTCTime?) {
        self.reason = reason
        self.by = by
        self.since = since
        self.until = until
    }

    init(_ fields: JSONFields) throws(JSONError) {
        reason = try fields.string("reason", limit: 1024)
        by = try fields.name("by")
        since = try fields.milliseconds("since")
        until = try fields.optional("until") { fields, key throws(JSONError) in try fields.milliseconds(key) }
    }

    var json: JSONValue {
        var object: JSONObject = [
            "reason": .string(reason), "by": JSONValue(by), "since": .integer(since.milliseconds),
        ]
        if let until { object["until"] = .integer(until.milliseconds) }
        return .object(object)
    }
}

/// A package of a node that rollouts leave alone.
public struct PinRecord: Hashable, Sendable {
    /// The package.
    public let package: String
    /// The only version that it may have; nil for the one that it has.
    public let version: String?
    /// Why, in words.
    public let reason: String
    /// Who said so; nil where the node's own configuration does.
    public let by: OperatorName?
    /// Since when; nil where the node's own configuration says so.
    public let since: UTCTime?

    /// A pin.
    public init(package: String, version: String?, reason: String, by: OperatorName?, since: UTCTime?) {
        self.package = package
        self.version = version
        self.reason = reason
        self.by = by
        self.since = since
    }

    init(_ fields: JSONFields) throws(JSONError) {
        package = try fields.string("package", limit: 256)
        version = try fields.optional("version") { fields, key throws(JSONError) in
            try fields.string(key, limit: 256)
        }
        reason = try fields.string("reason", limit: 1024)
        by = try fields.optional("by") { fields, key throws(JSONError) in try fields.name(key) }
        since = try fields.optional("since") { fields, key throws(JSONError) in try fields.milliseconds(key) }
    }

    var json: JSONValue {
        var object: JSONObject = ["package": .string(package), "reason": .string(reason)]
        if let version { object["version"] = .string(version) }
        if let by { object["by"] = JSONValue(by) }
        if let since { object["since"] = .integer(since.milliseconds) }
        return .object(object)
    }
}
