/// Tar archives put together entry by entry, so that they can hold anything.
struct TarBuilder {
    private(set) var bytes: [UInt8] = []

    /// A regular file.
    mutating func file(_ name: String, _ content: String = "x", mode: Int = 0o644) {
        add(name, "0", content: Array(content.utf8), mode: mode)
    }

    /// A regular file with a name that need not be text.
    mutating func file(bytes name: [UInt8]) { add(name, "0", target: [], content: [1], mode: 0o644) }

    /// A hard link to a name that need not be text.
    mutating func hardLink(_ name: String, toBytes target: [UInt8]) {
        add(Array(name.utf8), "1", target: target, content: [], mode: 0o644)
    }

    /// A folder.
    mutating func folder(_ name: String, mode: Int = 0o755) { add(name, "5", mode: mode) }

    /// A symbolic link.
    mutating func link(_ name: String, to target: String) { add(name, "2", target: target, mode: 0o777) }

    /// A hard link.
    mutating func hardLink(_ name: String, to target: String) { add(name, "1", target: target) }

    /// Any kind of entry by tar's letter for it.
    mutating func add(_ name: String, _ kind: Character, target: String = "", content: [UInt8] = [], mode: Int = 0o644)
    {
        add(Array(name.utf8), kind, target: Array(target.utf8), content: content, mode: mode)
    }

    private mutating func add(_ name: [UInt8], _ kind: Character, target: [UInt8], content: [UInt8], mode: Int) {
        var header = Self.padded(name, 100) + Self.octal(mode, 8) + Self.octal(0, 8) + Self.octal(0, 8)
        header += Self.octal(content.count, 12) + Self.octal(0, 12) + Array("        ".utf8) + Array(String(kind).utf8)
        header += Self.padded(target, 100) + Array("ustar\u{0}00".utf8) + [UInt8](repeating: 0, count: 247)
        let sum = String(header.reduce(0) { $0 + Int($1) }, radix: 8)
        header.replaceSubrange(
            148..<156,
            with: Array((String(repeating: "0", count: 6 - sum.utf8.count) + sum).utf8) + [0, 32]
        )
        bytes += header + content + [UInt8](repeating: 0, count: -content.count & 511)
    }

    /// The whole archive.
    var archive: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }

    private static func padded(_ text: [UInt8], _ width: Int) -> [UInt8] {
        text + [UInt8](repeating: 0, count: width - text.count)
    }

    private static func octal(_ number: Int, _ width: Int) -> [UInt8] {
        let digits = String(number, radix: 8)
        return padded(Array((String(repeating: "0", count: width - 1 - digits.utf8.count) + digits).utf8), width)
    }
}
