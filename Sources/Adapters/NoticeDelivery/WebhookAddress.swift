import ByteCoding
import SignatureVerification

/// Where a webhook is: an `http://` or `https://` URL, checked once.
///
/// Path and query are often a secret: they stand in no log, event or error.
public struct WebhookAddress: Hashable, Sendable, CustomStringConvertible {
    /// The whole URL: a secret.
    public let url: String
    /// Scheme, host and port alone.
    public let origin: String

    /// Parses a URL; nil for other schemes, a user name, a fragment, no host, or anything but printable ASCII.
    public init?(_ text: String) {
        guard let scheme = ["https://", "http://"].first(where: { text.lowercased().hasPrefix($0) }),
            text.utf8.count <= 4096, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
            !text.contains(where: { "#\\\"<>".contains($0) })
        else { return nil }
        let rest = text.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        guard let first = authority.first, first != ":", !authority.contains("@") else { return nil }
        url = text
        origin = scheme + authority
    }

    /// Sixteen digits that say which address it is and not what it is.
    var digest: String { Hex.encode(Digest.sha256(Array(url.utf8)).prefix(8)) }

    /// Never the whole URL.
    public var description: String { origin }
}
