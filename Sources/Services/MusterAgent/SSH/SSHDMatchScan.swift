import Glibc
import MusterSystem

/// Looks for what `sshd -T` does not show: lines in `Match` blocks that answer, for some logins, in place of the agent.
///
/// Reads the configuration and what it includes, as far as blocks and keywords go; everything else is sshd's business.
struct SSHDMatchScan: Sendable {
    /// A line within a `Match` block.
    struct Line: Hashable, Sendable {
        /// The file and the number of the line.
        let place: String
        /// The keyword in lower case.
        let keyword: String
        /// The rest of the line.
        let value: String
    }

    /// All lines within `Match` blocks.
    private(set) var lines: [Line] = []

    /// Deepest chain of inclusions, and most files, as a bound.
    private static let depthLimit = 16
    private var files = 0

    /// Reads the configuration at `path`.
    init(_ path: String) {
        read(path, isMatched: false, depth: 0)
    }

    /// What, for some logins, lets certificates in before they are checked, or in spite of their revocation.
    func danger(_ part: SSHDDropIn) -> String? {
        for line in lines {
            let (name, wanted): (String, String)
            switch line.keyword {
            case "authorizedprincipalsfile": (name, wanted) = ("AuthorizedPrincipalsFile", "none")
            case "authorizedprincipalscommand": (name, wanted) = ("AuthorizedPrincipalsCommand", part.principalsCommand)
            case "revokedkeys": (name, wanted) = ("RevokedKeys", part.revocations)
            default: continue
            }
            if line.value != wanted { return "\(name) is '\(line.value)' for some logins (\(line.place))" }
        }
        return nil
    }

    private mutating func read(_ path: String, isMatched: Bool, depth: Int) {
        files += 1
        guard depth <= Self.depthLimit, files <= 1000, let bytes = try? BoundedFile.read(path, limit: 1 << 20) else {
            return
        }
        // A block that begins in an included file ends with it.
        var isMatched = isMatched
        for (index, bytes) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated()
        {
            guard let (keyword, value) = Self.parse(bytes) else { continue }
            switch keyword {
            case "match": isMatched = value.lowercased() != "all" || isMatched
            case "include":
                for pattern in value.split(whereSeparator: { $0 == " " || $0 == "\t" }) {
                    for file in Self.expand(String(pattern)) { read(file, isMatched: isMatched, depth: depth + 1) }
                }
            default:
                if isMatched { lines.append(Line(place: "\(path) line \(index + 1)", keyword: keyword, value: value)) }
            }
        }
    }

    /// `Keyword value`, `Keyword=value` or `Keyword "value"`; nil for blanks and comments.
    private static func parse(_ bytes: ArraySlice<UInt8>) -> (keyword: String, value: String)? {
        let text = String(decoding: bytes, as: UTF8.self)
        let trimmed = text.drop { $0 == " " || $0 == "\t" }
        guard let first = trimmed.first, first != "#", first != "\r\n", first != "\r" else { return nil }
        let keyword = trimmed.prefix { $0 != " " && $0 != "\t" && $0 != "=" && $0 != "\"" }
        var value = trimmed[keyword.endIndex...].drop { $0 == " " || $0 == "\t" || $0 == "=" }
        while let last = value.last, last.isWhitespace { value.removeLast() }
        if value.count >= 2, value.first == "\"", value.last == "\"" { value = value.dropFirst().dropLast() }
        return (keyword.lowercased(), String(value))
    }

    /// The files that a pattern of `Include` means.
    private static func expand(_ pattern: String) -> [String] {
        let plain = pattern.filter { $0 != "\"" }
        var found = glob_t()
        defer { globfree(&found) }
        guard glob(plain.hasPrefix("/") ? plain : "/etc/ssh/" + plain, 0, nil, &found) == 0 else { return [] }
        return (0..<Int(found.gl_pathc)).compactMap { index in found.gl_pathv[index].map { String(cString: $0) } }
    }
}
