/// Reads and writes addresses byte by byte: every certificate that is issued has some, so it must cost little.
enum AddressText {
    /// The bytes of an address and the number of bits behind its slash, all of them where there is none.
    static func block(_ text: [UInt8], _ range: Range<Int>) -> (bytes: [UInt8], prefix: Int)? {
        let slash = text[range].firstIndex(of: UInt8(ascii: "/")) ?? range.upperBound
        var bytes: [UInt8] = []
        bytes.reserveCapacity(16)
        let isRead =
            text[range.lowerBound..<slash].contains(UInt8(ascii: ":"))
            ? readIPv6(text, range.lowerBound..<slash, &bytes) : readIPv4(text, range.lowerBound..<slash, &bytes)
        guard isRead else { return nil }
        guard slash < range.upperBound else { return (bytes, bytes.count * 8) }
        guard let prefix = number(text, (slash + 1)..<range.upperBound, limit: 128) else { return nil }
        return (bytes, prefix)
    }

    /// IPv4 with dots, IPv6 as RFC 5952 writes it.
    static func write(_ bytes: [UInt8], to text: inout [UInt8]) {
        guard bytes.count == 16 else {
            for (index, byte) in bytes.enumerated() {
                if index > 0 { text.append(UInt8(ascii: ".")) }
                writeDecimal(Int(byte), to: &text)
            }
            return
        }
        let zeros = longestZeros(bytes)
        var group = 0
        while group < 8 {
            if group == zeros.lowerBound, !zeros.isEmpty {
                text.append(UInt8(ascii: ":"))
                text.append(UInt8(ascii: ":"))
                group = zeros.upperBound
                continue
            }
            if group > 0, group != zeros.upperBound || zeros.isEmpty { text.append(UInt8(ascii: ":")) }
            writeGroup(UInt16(bytes[group * 2]) << 8 | UInt16(bytes[group * 2 + 1]), to: &text)
            group += 1
        }
    }

    /// A number below 1000.
    static func writeDecimal(_ number: Int, to text: inout [UInt8]) {
        if number > 99 { text.append(UInt8(ascii: "0") + UInt8(number / 100)) }
        if number > 9 { text.append(UInt8(ascii: "0") + UInt8(number / 10 % 10)) }
        text.append(UInt8(ascii: "0") + UInt8(number % 10))
    }

    /// The first of the longest runs of at least two zero groups; empty where there is none.
    private static func longestZeros(_ bytes: [UInt8]) -> Range<Int> {
        var best = 0..<0
        var start = 0
        for group in 0...8 where group == 8 || bytes[group * 2] != 0 || bytes[group * 2 + 1] != 0 {
            if group - start > max(1, best.count) { best = start..<group }
            start = group + 1
        }
        return best
    }

    private static func writeGroup(_ group: UInt16, to text: inout [UInt8]) {
        var isLeading = true
        for shift: UInt16 in [12, 8, 4, 0] {
            let digit = UInt8(truncatingIfNeeded: group >> shift) & 15
            if isLeading, digit == 0, shift > 0 { continue }
            isLeading = false
            text.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }

    private static func readIPv4(_ text: [UInt8], _ range: Range<Int>, _ bytes: inout [UInt8]) -> Bool {
        var start = range.lowerBound
        for part in 0..<4 {
            var end = start
            while end < range.upperBound, text[end] != UInt8(ascii: ".") { end += 1 }
            guard (part == 3) == (end == range.upperBound), let byte = number(text, start..<end, limit: 255) else {
                return false
            }
            bytes.append(UInt8(byte))
            start = end + 1
        }
        return true
    }

    /// Groups of one to four digits; once two colons for the groups of zeros that are left out; IPv4 as the last four bytes.
    private static func readIPv6(_ text: [UInt8], _ range: Range<Int>, _ bytes: inout [UInt8]) -> Bool {
        var (at, end) = (range.lowerBound, range.upperBound)
        var gap: Int?
        if text[at..<end].starts(with: [UInt8(ascii: ":"), UInt8(ascii: ":")]) {
            gap = 0
            at += 2
        }
        while at < end {
            guard bytes.count < 16 else { return false }
            var next = at
            var group: UInt16 = 0
            while next < end, next - at < 4, let digit = hexDigit(text[next]) {
                group = group << 4 | digit
                next += 1
            }
            if next < end, text[next] == UInt8(ascii: ".") {
                guard readIPv4(text, at..<end, &bytes) else { return false }
                break
            }
            guard next > at else { return false }
            bytes += [UInt8(group >> 8), UInt8(group & 0xFF)]
            guard next < end else { break }
            guard text[next] == UInt8(ascii: ":"), next + 1 < end else { return false }
            at = next + 1
            guard text[at] == UInt8(ascii: ":") else { continue }
            guard gap == nil else { return false }
            gap = bytes.count
            at += 1
        }
        guard let gap else { return bytes.count == 16 }
        guard bytes.count <= 14 else { return false }
        bytes.insert(contentsOf: repeatElement(0, count: 16 - bytes.count), at: gap)
        return true
    }

    private static func hexDigit(_ byte: UInt8) -> UInt16? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt16(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt16(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt16(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }

    private static func number(_ text: [UInt8], _ range: Range<Int>, limit: Int) -> Int? {
        guard (1...3).contains(range.count), range.count == 1 || text[range.lowerBound] != UInt8(ascii: "0") else {
            return nil
        }
        var number = 0
        for digit in text[range] {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            number = number * 10 + Int(digit - UInt8(ascii: "0"))
        }
        return number <= limit ? number : nil
    }
}
