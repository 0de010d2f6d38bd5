/// Where a fleet service is: `http://HOST[:PORT][/PATH]` or `https://…`, checked once.
public struct ServiceAddress: Hashable, Sendable, CustomStringConvertible {
    /// The address without a slash at its end.
    public let text: String

    /// Parses an address; nil for other schemes, user names, queries, fragments, or no host.
    public init?(_ text: String) {
        var rest = Substring(text)
        while rest.hasSuffix("/") { rest.removeLast() }
        self.text = String(rest)
        if rest.hasPrefix("http://") {
            rest.removeFirst(7)
        } else if rest.hasPrefix("https://") {
            rest.removeFirst(8)
        } else {
            return nil
        }
        guard rest.utf8.allSatisfy({ Self.isAllowed($0) }), let first = rest.first, first != "/", first != ":" else {
            return nil
        }
    }

    /// The value as it is written.
    public var description: String { text }

    /// The URL of a path (beginning with `/`) below the address.
    public func url(_ path: String, query: [(String, String)] = []) -> String {
        var url = text + path
        for (index, (name, value)) in query.enumerated() {
            url += (index == 0 ? "?" : "&") + name + "=" + PercentEncoding.encode(value)
        }
        return url
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "@"), UInt8(ascii: "?"), UInt8(ascii: "#"), UInt8(ascii: "\\"), UInt8(ascii: "\""): false
        case 0x21...0x7e: true
        default: false
        }
    }
}
