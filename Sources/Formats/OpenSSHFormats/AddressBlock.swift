/// An IPv4 or IPv6 address with the number of bits that count, as `source-address` lists them: `100.64.0.7/32`.
///
/// Read strictly: four decimal numbers without leading zeros, or RFC 4291 groups; no zone, no host name. An IPv4 address
/// written as IPv6 (`::ffff:192.0.2.1`) is the IPv4 address, as sshd has it.
public struct AddressBlock: Hashable, Sendable, CustomStringConvertible {
    /// 4 or 16 bytes.
    public let bytes: [UInt8]
    /// How many bits count.
    public let prefix: Int

    /// A block of an address of 4 or 16 bytes; nil where the numbers do not fit.
    public init?(bytes: [UInt8], prefix: Int) {
        guard bytes.count == 4 || bytes.count == 16, (0...bytes.count * 8).contains(prefix) else { return nil }
        if bytes.count == 16, prefix >= 96, bytes.starts(with: Self.mapped) {
            self.bytes = Array(bytes[12...])
            self.prefix = prefix - 96
        } else {
            self.bytes = bytes
            self.prefix = prefix
        }
    }

    /// Parses an address, or an address, a slash and a number of bits; nil where it is neither.
    public init?(_ text: some StringProtocol) {
        let parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count <= 2, let first = parts.first, let address = Self.address(Array(first)) else { return nil }
        guard parts.count == 2 else {
            self.init(bytes: address, prefix: address.count * 8)
            return
        }
        guard let prefix = Self.number(Array(parts[1]), upTo: 128) else { return nil }
        self.init(bytes: address, prefix: prefix)
    }

    /// The block with the bits that do not count cleared: sshd denies certificates that leave them set.
    public var network: AddressBlock {
        var cleared = bytes
        for index in cleared.indices {
            let bits = min(8, max(0, prefix - index * 8))
            cleared[index] &= bits == 0 ? 0 : 0xFF << UInt8(8 - bits)
        }
        return AddressBlock(bytes: cleared, prefix: prefix) ?? self
    }

    /// Whether every address of `other` is one of these.
    public func contains(_ other: AddressBlock) -> Bool {
        guard other.bytes.count == bytes.count, other.prefix >= prefix else { return false }
        return AddressBlock(bytes: other.bytes, prefix: prefix)?.network.bytes == network.bytes
    }

    /// A `source-address` value; nil unless it is 1 to 64 blocks whose host bits are cleared.
    public static func list(_ text: String) -> [AddressBlock]? {
        guard text.utf8.count <= 64 * 50 else { return nil }
        var blocks: [AddressBlock] = []
        for part in text.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            guard let part = String(part), let block = AddressBlock(part), block.network == block else { return nil }
            blocks.append(block)
        }
        return blocks.count <= 64 ? blocks : nil
    }

    /// The address, a slash and the bits; IPv6 as RFC 5952 writes it.
    public var description: String { address + "/" + String(prefix) }

    /// The address alone.
    public var address: String {
        guard bytes.count == 16 else { return bytes.map { String($0) }.joined(separator: ".") }
        let groups = stride(from: 0, to: 16, by: 2).map { UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]) }
        guard let zeros = Self.longestZeros(groups) else {
            return groups.map { String($0, radix: 16) }.joined(separator: ":")
        }
        let head = groups[..<zeros.lowerBound].map { String($0, radix: 16) }.joined(separator: ":")
        return head + "::" + groups[zeros.upperBound...].map { String($0, radix: 16) }.joined(separator: ":")
    }

    private static let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]

    private static func longestZeros(_ groups: [UInt16]) -> Range<Int>? {
        var best = 0..<0
        var start = 0
        while start < groups.count {
            let end = groups[start...].firstIndex { $0 != 0 } ?? groups.count
            if end - start > best.count { best = start..<end }
            start = max(end, start + 1)
        }
        return best.count >= 2 ? best : nil
    }

    private static func address(_ text: [UInt8]) -> [UInt8]? {
        text.contains(UInt8(ascii: ":")) ? ipv6(text) : ipv4(text)
    }

    private static func ipv4(_ text: [UInt8]) -> [UInt8]? {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            guard let number = number(Array(part), upTo: 255) else { return nil }
            bytes.append(UInt8(number))
        }
        return bytes
    }

    private static func ipv6(_ text: [UInt8]) -> [UInt8]? {
        guard let gap = text.firstRange(of: [UInt8(ascii: ":"), UInt8(ascii: ":")]) else {
            let bytes = groups(text)
            return bytes?.count == 16 ? bytes : nil
        }
        let after = Array(text[gap.upperBound...])
        guard let head = groups(Array(text[..<gap.lowerBound]), last: false), let tail = groups(after),
            head.count + tail.count <= 14
        else { return nil }
        return head + [UInt8](repeating: 0, count: 16 - head.count - tail.count) + tail
    }

    /// The bytes of groups separated by single colons; the last may be an IPv4 address where `last` says so.
    private static func groups(_ text: [UInt8], last: Bool = true) -> [UInt8]? {
        guard !text.isEmpty else { return [] }
        let parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard parts.count <= 8 else { return nil }
        var bytes: [UInt8] = []
        for (index, part) in parts.enumerated() {
            if last, index == parts.count - 1, part.contains(UInt8(ascii: ".")) {
                guard let address = ipv4(Array(part)) else { return nil }
                bytes += address
            } else {
                guard (1...4).contains(part.count), let digits = String(validating: part, as: UTF8.self),
                    part.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
                    let group = UInt16(digits, radix: 16)
                else { return nil }
                bytes += [UInt8(group >> 8), UInt8(group & 0xFF)]
            }
        }
        return bytes
    }

    private static func number(_ digits: [UInt8], upTo limit: Int) -> Int? {
        guard (1...3).contains(digits.count), digits.count == 1 || digits[0] != UInt8(ascii: "0") else { return nil }
        var number = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            number = number * 10 + Int(digit - UInt8(ascii: "0"))
        }
        return number <= limit ? number : nil
    }
}
