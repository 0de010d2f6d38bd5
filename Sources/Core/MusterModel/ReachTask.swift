import ByteCoding
import CanonicalJSON

/// A node that wants to be reached by another one before it confirms an upgrade: connect, write the nonce, close.
///
/// ```
/// {"address": "100.64.0.7", "nonce": "<64 hex digits>", "port": 40123, "until": "…Z"}
/// ```
/// A member of `UpdateManifest`'s `reach`. Whoever does it connects within the tailnet only and reads no answer; the node
/// that is visited counts the visit by what it saw itself, so that the service cannot claim one.
public struct ReachTask: Hashable, Sendable {
    /// Bytes of the nonce.
    public static let nonceLength = 32
    /// Most tasks of one manifest.
    public static let limit = 16

    /// The address to connect to.
    public let address: String
    /// The TCP port.
    public let port: Int
    /// What to write.
    public let nonce: [UInt8]
    /// When it is of no use any more.
    public let until: UTCTime

    /// A task.
    public init(address: String, port: Int, nonce: [UInt8], until: UTCTime) {
        self.address = address
        self.port = port
        self.nonce = nonce
        self.until = until.wholeSeconds
    }

    /// Reads a task.
    public init(_ fields: JSONFields) throws(JSONError) {
        address = try fields.string("address", limit: 64)
        port = Int(try fields.integer("port", in: 1...65535))
        nonce = try fields.hex("nonce", count: Self.nonceLength)
        until = try fields.time("until")
    }

    /// The task as it is signed.
    public var json: JSONValue {
        [
            "address": .string(address), "port": JSONValue(port), "nonce": .string(Hex.encode(nonce)),
            "until": JSONValue(until),
        ]
    }
}
