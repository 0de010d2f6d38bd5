import Glibc

/// A numeric IPv4 or IPv6 address, compared by its bytes and not by how somebody wrote it.
public struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    /// 4 or 16 bytes in network order.
    public let bytes: [UInt8]

    /// Parses an address; an IPv4 address mapped into IPv6 is that IPv4 address.
    public init?(_ text: some StringProtocol) {
        let text = String(text)
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &bytes) == 1 {
            self.bytes = Array(bytes[..<4])
        } else if inet_pton(AF_INET6, text, &bytes) == 1 {
            self.bytes = bytes.starts(with: Self.mapped) ? Array(bytes[12...]) : bytes
        } else {
            return nil
        }
    }

    /// Whether nothing but this machine can be at it: 127.0.0.0/8 and ::1.
    public var isLoopback: Bool {
        bytes.count == 4 ? bytes[0] == 127 : bytes.last == 1 && bytes.dropLast().allSatisfy { $0 == 0 }
    }

    /// The address as the system writes it.
    public var description: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let family = bytes.count == 4 ? AF_INET : AF_INET6
        guard inet_ntop(family, bytes, &text, socklen_t(text.count)) != nil else { return "" }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static let mapped: [UInt8] = [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF]
}

/// A range of addresses, such as `10.0.0.0/24`.
struct IPPrefix: Hashable, Sendable {
    let address: IPAddress
    let length: Int

    /// Parses `ADDRESS/LENGTH`; an address alone is the range of just that address.
    init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let first = parts.first, let address = IPAddress(first) else { return nil }
        let width = address.bytes.count * 8
        guard parts.count == 2 else {
            self.address = address
            length = width
            return
        }
        guard let length = Int(parts[1]), (0...width).contains(length) else { return nil }
        self.address = address
        self.length = length
    }

    /// Whether it is one address.
    var isSingle: Bool { length == address.bytes.count * 8 }

    /// Whether the address is in the range.
    func contains(_ other: IPAddress) -> Bool {
        guard other.bytes.count == address.bytes.count else { return false }
        let whole = length / 8
        guard other.bytes[..<whole] == address.bytes[..<whole] else { return false }
        let rest = length % 8
        guard rest > 0 else { return true }
        let mask = UInt8(truncatingIfNeeded: 0xFF00 >> rest)
        return other.bytes[whole] & mask == address.bytes[whole] & mask
    }
}
