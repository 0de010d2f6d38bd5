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

    /// The host's name or address alone, without the brackets of IPv6.
    public var host: String {
        let authority = authority
        if authority.hasPrefix("[") { return String(authority.dropFirst().prefix { $0 != "]" }) }
        return String(authority.prefix { $0 != ":" })
    }

    /// The TCP port, the scheme's own where the address names none.
    public var port: UInt16 {
        let usual: UInt16 = text.hasPrefix("https:") ? 443 : 80
        let behind = authority.hasPrefix("[") ? authority.drop { $0 != "]" }.dropFirst() : authority.drop { $0 != ":" }
        return UInt16(behind.dropFirst()) ?? usual
    }

    private var authority: Substring {
        // Both schemes end in the same three characters.
        text.dropFirst(text.hasPrefix("https:") ? 8 : 7).prefix { $0 != "/" }
    }

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
