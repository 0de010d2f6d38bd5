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
        let bytes = Array(text.utf8)
        self.init(bytes, 0..<bytes.count)
    }

    init?(_ text: [UInt8], _ range: Range<Int>) {
        guard let (bytes, prefix) = AddressText.block(text, range) else { return nil }
        self.init(bytes: bytes, prefix: prefix)
    }

    /// The block with the bits that do not count cleared: sshd denies certificates that leave them set.
    public var network: AddressBlock {
        guard prefix < bytes.count * 8 else { return self }
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
        let bytes = Array(text.utf8)
        return list(bytes, 0..<bytes.count)
    }

    static func list(_ bytes: [UInt8], _ range: Range<Int>) -> [AddressBlock]? {
        guard range.count <= 64 * 50 else { return nil }
        var blocks: [AddressBlock] = []
        var start = range.lowerBound
        while true {
            let end = bytes[start..<range.upperBound].firstIndex(of: UInt8(ascii: ",")) ?? range.upperBound
            guard let block = AddressBlock(bytes, start..<end), block.network == block else { return nil }
            blocks.append(block)
            guard end < range.upperBound else { break }
            start = end + 1
        }
        return blocks.count <= 64 ? blocks : nil
    }

    /// The `source-address` value that names the blocks, each with its host bits cleared and only once.
    public static func sourceAddress(_ blocks: [AddressBlock]) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(blocks.count * 44)
        for (index, block) in blocks.enumerated() {
            let network = block.network
            guard !blocks[..<index].contains(where: { $0.network == network }) else { continue }
            if !text.isEmpty { text.append(UInt8(ascii: ",")) }
            network.write(to: &text)
        }
        return text
    }

    /// The address, a slash and the bits; IPv6 as RFC 5952 writes it.
    public var description: String {
        var text: [UInt8] = []
        write(to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// The address alone.
    public var address: String {
        var text: [UInt8] = []
        AddressText.write(bytes, to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    private func write(to text: inout [UInt8]) {
        AddressText.write(bytes, to: &text)
        text.append(UInt8(ascii: "/"))
        AddressText.writeDecimal(prefix, to: &text)
    }

    private static let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
}
