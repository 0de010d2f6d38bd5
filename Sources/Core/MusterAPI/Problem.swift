import CanonicalJSON

/// Why a request was refused: a problem document of RFC 9457, `application/problem+json`.
public struct Problem: Body, Error, CustomStringConvertible {
    /// The media type of problem documents.
    public static let mediaType = "application/problem+json"

    /// HTTP status code.
    public let status: Int
    /// A short name that programs compare, such as `unknown-node`; sent as `type` with `urn:muster:problem:` in front.
    public let code: String
    /// What kind of problem it is, in words that are the same each time.
    public let title: String
    /// What was wrong this time, and what to do.
    public let detail: String

    /// A problem.
    public init(status: Int, code: String, title: String, detail: String) {
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
    }

    /// Reads a problem document; members that are missing stay empty, since anything may stand between us and a service.
    public init(_ fields: JSONFields) throws(JSONError) {
        func text(_ key: String) throws(JSONError) -> String {
            try fields.optional(key) { fields, key throws(JSONError) in try fields.string(key, limit: 16384) } ?? ""
        }
        status = Int(try fields.integer("status", in: 100...599))
        let type = try text("type")
        code = type.hasPrefix(Self.typePrefix) ? String(type.dropFirst(Self.typePrefix.count)) : type
        title = try text("title")
        detail = try text("detail")
    }

    /// The document as it is sent.
    public var json: JSONValue {
        [
            "type": .string(Self.typePrefix + code), "title": .string(title), "status": JSONValue(status),
            "detail": .string(detail),
        ]
    }

    /// Title and detail on one line.
    public var description: String { detail.isEmpty ? "\(title) (\(status))" : "\(title): \(detail)" }

    private static let typePrefix = "urn:muster:problem:"
}

extension JSONValue {
    /// The number as a JSON integer.
    init(_ number: Int) {
        self = .integer(Int64(number))
    }

    /// The text, or null.
    init(_ text: String?) {
        self = text.map { .string($0) } ?? .null
    }
}
