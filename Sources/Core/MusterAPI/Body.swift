import CanonicalJSON

/// A JSON body of the `/v1` protocol.
///
/// Compatibility: members may be added and are ignored by readers that do not know them; no member becomes required, and
/// none changes its meaning. `Tests/Compatibility` holds every released agent to it.
public protocol Body: Sendable, Hashable {
    /// Most bytes of such a body.
    static var byteLimit: Int { get }

    /// Reads the body out of its object.
    init(_ fields: JSONFields) throws(JSONError)

    /// The body as it is sent.
    var json: JSONValue { get }
}

extension Body {
    /// 256 KiB unless a body says otherwise.
    public static var byteLimit: Int { 262_144 }

    /// Parses a received body.
    public static func parse(_ bytes: [UInt8]) throws(JSONError) -> Self {
        try Self(try JSONFields(try JSONValue.parse(bytes, limit: byteLimit)))
    }
}
