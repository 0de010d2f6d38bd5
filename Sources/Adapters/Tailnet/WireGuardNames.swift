import CanonicalJSON

/// Names for the keys of WireGuard peers, in a file that an operator signs.
///
/// ```
/// {"_type": "tailnet-names", "version": 3, "peers": [{"name": "web-1", "key": "<base64 WireGuard public key>"}]}
/// ```
/// Signed by `ssh-keygen -Y sign -n tailnet-names@muster FILE`, which writes `FILE.sig`. A name outlives a peer's key: the
/// next version of the file gives it to the new key, and nodes stay who they are. Versions rise; an older file is refused.
public struct WireGuardNames: Hashable, Sendable {
    /// The SSHSIG namespace of the signature.
    public static let namespace = "tailnet-names@muster"
    /// Most bytes of such a file.
    public static let byteLimit = 16 << 20

    /// Rises with each file.
    public let version: Int64
    /// Names by key.
    public let names: [String: String]

    /// Parses the bytes of a file.
    public init(parsing bytes: [UInt8]) throws(JSONError) {
        let fields = try JSONFields(try JSONValue.parse(bytes, limit: Self.byteLimit))
        guard try fields.string("_type", limit: 64) == "tailnet-names" else {
            throw fields.error("_type", "is not tailnet-names")
        }
        version = try fields.integer("version", in: 1...Int64.max)
        var names: [String: String] = [:]
        var seen: Set<String> = []
        for peer in try fields.objects("peers", limit: 100_000) {
            let name = try peer.string("name", limit: 64)
            guard Self.isName(name) else {
                throw peer.error("name", "is not 1 to 64 letters, digits, '-', '_' and '.'")
            }
            guard let key = WireGuardPeers.key(try peer.string("key", limit: 64)) else {
                throw peer.error("key", "is not a WireGuard public key in base64")
            }
            guard seen.insert(name).inserted else { throw peer.error("name", "'\(name)' is given twice") }
            guard names.updateValue(name, forKey: key) == nil else { throw peer.error("key", "has two names") }
        }
        self.names = names
    }

    private static func isName(_ name: String) -> Bool {
        !name.isEmpty
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                    true
                default: false
                }
            }
    }
}
