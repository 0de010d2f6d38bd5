import MusterSystem

/// Archives put together byte by byte, so that they can be wrong in any way.
enum ArchiveBuilder {
    /// An `ar` archive of these members.
    static func ar(_ members: [(name: String, bytes: [UInt8])]) -> [UInt8] {
        var archive = Array("!<arch>\n".utf8)
        for member in members {
            let header = [
                (member.name, 16), ("0", 12), ("0", 6), ("0", 6), ("100644", 8), ("\(member.bytes.count)", 10),
            ]
            for (text, width) in header { archive += padded(text, width) }
            archive += Array("`\n".utf8) + member.bytes
            if member.bytes.count % 2 == 1 { archive.append(10) }
        }
        return archive
    }

    /// A `tar` archive of regular files; a name that ends in `/` is a folder, `link` gives the target of a hard link.
    static func tar(_ entries: [(name: String, bytes: [UInt8])], link: [String: String] = [:]) -> [UInt8] {
        var archive: [UInt8] = []
        for entry in entries {
            archive += tarHeader(entry.name, size: entry.bytes.count, link: link[entry.name])
            archive += entry.bytes + zeros(-entry.bytes.count & 511)
        }
        return archive + zeros(1024)
    }

    /// The bytes compressed by a system program: `gzip`, `xz`, `zstd`.
    static func compressed(_ bytes: [UInt8], by program: String = "gzip") async throws -> [UInt8] {
        let result = try await Command("/usr/bin/\(program)", ["-c"], input: bytes)
            .run(timeout: .seconds(120), outputLimit: 1 << 30)
        guard result.succeeded else { throw SystemError("compress by", program, because: result.errorText) }
        return result.output
    }

    private static func tarHeader(_ name: String, size: Int, link: String?) -> [UInt8] {
        let kind: UInt8 = link != nil ? UInt8(ascii: "1") : name.hasSuffix("/") ? UInt8(ascii: "5") : UInt8(ascii: "0")
        var header =
            zeroPadded(name, 100) + zeroPadded("0000644", 8) + zeroPadded("0000000", 8) + zeroPadded("0000000", 8)
        let octal = String(size, radix: 8)
        header += zeroPadded(String(repeating: "0", count: 11 - octal.utf8.count) + octal, 12)
        header += zeroPadded("00000000000", 12) + Array("        ".utf8) + [kind] + zeroPadded(link ?? "", 100)
        header += Array("ustar\u{0}00".utf8) + zeros(247)
        let sum = String(header.reduce(0) { $0 + Int($1) }, radix: 8)
        let text = String(repeating: "0", count: 6 - sum.utf8.count) + sum
        header.replaceSubrange(148..<156, with: Array(text.utf8) + [0, 32])
        return header
    }

    private static func padded(_ text: String, _ width: Int) -> [UInt8] {
        Array(text.utf8) + [UInt8](repeating: 32, count: width - text.utf8.count)
    }

    private static func zeroPadded(_ text: String, _ width: Int) -> [UInt8] {
        Array(text.utf8) + zeros(width - text.utf8.count)
    }

    private static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }
}
