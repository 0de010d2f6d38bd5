import ByteCoding

/// Reads the members of an object into typed values, each within bounds; an error names the whole path of the field.
///
/// Members that nobody asks for are ignored: `/v1` only grows. An optional member may be absent or null.
public struct JSONFields: Sendable {
    /// The object itself.
    public let object: JSONObject
    /// Where the object is in its document, such as `signed.roles`; empty for the document.
    public let path: String

    /// The members of `value`, which must be an object.
    public init(_ value: JSONValue, at path: String = "") throws(JSONError) {
        guard case .object(let object) = value else {
            throw JSONError(location: path, reason: "expected an object, found \(value.kind)")
        }
        self.object = object
        self.path = path
    }

    /// Whether the member is there and not null.
    public func has(_ key: String) -> Bool {
        switch object[key] {
        case nil, .null: false
        default: true
        }
    }

    /// The path of a member.
    public func path(of key: String) -> String {
        path.isEmpty ? key : path + "." + key
    }

    /// An error about a member.
    public func error(_ key: String, _ reason: String) -> JSONError {
        JSONError(location: path(of: key), reason: reason)
    }

    /// A member that must be there.
    public func value(_ key: String) throws(JSONError) -> JSONValue {
        guard let value = object[key] else { throw error(key, "is missing") }
        return value
    }

    /// Text of at most `limit` bytes.
    public func string(_ key: String, limit: Int = 4096) throws(JSONError) -> String {
        let value = try value(key)
        guard case .string(let text) = value else { throw mismatch(key, "a string", value) }
        guard text.utf8.count <= limit else { throw error(key, "is longer than \(limit) bytes") }
        return text
    }

    /// An integer within `range`.
    public func integer(_ key: String, in range: ClosedRange<Int64> = 0...Int64.max) throws(JSONError) -> Int64 {
        let value = try value(key)
        guard case .integer(let number) = value else { throw mismatch(key, "an integer", value) }
        guard range.contains(number) else {
            throw error(key, "\(number) is not within \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// A boolean.
    public func bool(_ key: String) throws(JSONError) -> Bool {
        let value = try value(key)
        guard case .bool(let flag) = value else { throw mismatch(key, "a boolean", value) }
        return flag
    }

    /// A moment, `YYYY-MM-DDTHH:MM:SSZ`.
    public func time(_ key: String) throws(JSONError) -> UTCTime {
        guard let time = UTCTime(try string(key, limit: 20)) else {
            throw error(key, "is not a time of the form YYYY-MM-DDTHH:MM:SSZ")
        }
        return time
    }

    /// Milliseconds since 1970, as the register and reports carry moments.
    public func milliseconds(_ key: String) throws(JSONError) -> UTCTime {
        UTCTime(milliseconds: try integer(key, in: 0...253_402_300_799_999))
    }

    /// Exactly `count` bytes as lower-case hexadecimal digits.
    public func hex(_ key: String, count: Int) throws(JSONError) -> [UInt8] {
        guard let bytes = Hex.decode(try string(key, limit: 2 * count)), bytes.count == count else {
            throw error(key, "is not \(count) bytes in lower-case hexadecimal digits")
        }
        return bytes
    }

    /// Bytes as strict base64, at most `limit` of them.
    public func base64(_ key: String, limit: Int) throws(JSONError) -> [UInt8] {
        guard let bytes = Base64.decode(try string(key, limit: (limit + 2) / 3 * 4)) else {
            throw error(key, "is not base64")
        }
        return bytes
    }

    /// An array of at most `limit` values.
    public func array(_ key: String, limit: Int) throws(JSONError) -> [JSONValue] {
        let value = try value(key)
        guard case .array(let values) = value else { throw mismatch(key, "an array", value) }
        guard values.count <= limit else { throw error(key, "has \(values.count) entries, more than \(limit)") }
        return values
    }

    /// An array of texts, each at most `each` bytes.
    public func strings(_ key: String, limit: Int, each: Int = 4096) throws(JSONError) -> [String] {
        var texts: [String] = []
        for (index, value) in try array(key, limit: limit).enumerated() {
            guard case .string(let text) = value else { throw mismatch("\(key)[\(index)]", "a string", value) }
            guard text.utf8.count <= each else { throw error("\(key)[\(index)]", "is longer than \(each) bytes") }
            texts.append(text)
        }
        return texts
    }

    /// An array of objects.
    public func objects(_ key: String, limit: Int) throws(JSONError) -> [JSONFields] {
        var fields: [JSONFields] = []
        for (index, value) in try array(key, limit: limit).enumerated() {
            fields.append(try JSONFields(value, at: "\(path(of: key))[\(index)]"))
        }
        return fields
    }

    /// A member that is itself an object.
    public func fields(_ key: String) throws(JSONError) -> JSONFields {
        try JSONFields(try value(key), at: path(of: key))
    }

    /// What `read` makes of the member, or nil where it is absent or null: `try fields.optional("note") { try $0.string($1) }`.
    public func optional<Value>(
        _ key: String,
        _ read: (JSONFields, String) throws(JSONError) -> Value
    ) throws(JSONError) -> Value? {
        has(key) ? try read(self, key) : nil
    }

    private func mismatch(_ key: String, _ expected: String, _ found: JSONValue) -> JSONError {
        error(key, "expected \(expected), found \(found.kind)")
    }
}
