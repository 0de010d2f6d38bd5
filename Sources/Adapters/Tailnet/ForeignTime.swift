import ByteCoding

/// Moments as Go writes them: RFC 3339 with up to nine decimals and any offset.
enum ForeignTime {
    /// The moment; nil for Go's zero time (`0001-01-01T00:00:00Z`), for anything else before 1970, and for what is no time.
    static func parse(_ text: String) -> UTCTime? {
        let characters = Array(text.utf8)
        guard (20...40).contains(characters.count),
            let moment = UTCTime(String(decoding: characters[..<19], as: UTF8.self) + "Z")
        else { return nil }
        var rest = characters[19...]
        if rest.first == UInt8(ascii: ".") {
            rest = rest.dropFirst()
            let decimals = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            guard !decimals.isEmpty else { return nil }
            rest = rest.dropFirst(decimals.count)
        }
        guard let offset = offset(Array(rest)) else { return nil }
        let result = moment.adding(seconds: -offset)
        return result.milliseconds > 0 ? result : nil
    }

    /// Seconds east of UTC: `Z`, `+02:00`.
    private static func offset(_ text: [UInt8]) -> Int64? {
        if text == Array("Z".utf8) { return 0 }
        guard text.count == 6, text[3] == UInt8(ascii: ":"), let hours = number(text[1...2]),
            let minutes = number(text[4...5]), hours < 24, minutes < 60
        else { return nil }
        switch text[0] {
        case UInt8(ascii: "+"): return hours * 3600 + minutes * 60
        case UInt8(ascii: "-"): return -(hours * 3600 + minutes * 60)
        default: return nil
        }
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int64? {
        var value: Int64 = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            value = value * 10 + Int64(digit - UInt8(ascii: "0"))
        }
        return value
    }
}
