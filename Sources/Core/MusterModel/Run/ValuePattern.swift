import Glibc

/// What a value must look like: a POSIX extended regular expression that the whole value must match.
///
/// Matched byte by byte in the C locale by the C library, whose matcher takes no exponential time without back-references;
/// those are refused, and so are counts that would need much memory.
public struct ValuePattern: Hashable, Sendable, CustomStringConvertible {
    /// Most bytes of a pattern.
    public static let byteLimit = 512
    /// Most that the upper counts of a pattern, as in `{1,8}`, may multiply to.
    public static let countLimit = 4096

    /// The expression.
    public let text: String

    /// A pattern; whether it can be used is for `problem` to say.
    public init(_ text: String) {
        self.text = text
    }

    /// The expression.
    public var description: String { text }

    /// Why it cannot be used; nil where it can.
    public var problem: String? {
        guard !text.isEmpty else { return "the pattern is empty" }
        guard text.utf8.count <= Self.byteLimit else { return "the pattern is longer than \(Self.byteLimit) bytes" }
        guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { return "the pattern holds control characters" }
        var isEscaped = false
        for byte in text.utf8 {
            if isEscaped, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
                return "back-references are not allowed"
            }
            isEscaped = byte == UInt8(ascii: "\\") && !isEscaped
        }
        guard counts.reduce(1, { min($0 * max($1, 1), Self.countLimit + 1) }) <= Self.countLimit else {
            return "its counts multiply to more than \(Self.countLimit)"
        }
        return Self.compiled(text, { _ in nil }) ?? nil
    }

    /// Whether the whole of `value` matches; a pattern with a problem matches nothing.
    public func matches(_ value: String) -> Bool {
        guard problem == nil, !value.utf8.contains(0) else { return false }
        let answer = Self.compiled("^(" + text + ")$") { (expression: inout regex_t) -> String? in
            regexec(&expression, value, 0, nil, 0) == 0 ? nil : "no match"
        }
        return answer == .some(nil)
    }

    /// The upper counts: of `{2}`, `{1,8}`, `{3,}`.
    ///
    /// By bytes, as the C library reads it: a mark behind a brace makes another Character of it, and would hide the count.
    private var counts: [Int] {
        let pieces = text.utf8.split(separator: UInt8(ascii: "{"), omittingEmptySubsequences: false)
        return pieces.dropFirst().compactMap { piece in
            guard let end = piece.firstIndex(of: UInt8(ascii: "}")) else { return nil }
            return piece[..<end].split(separator: UInt8(ascii: ",")).compactMap { Int(Substring($0)) }.max()
        }
    }

    /// What `use` says of the compiled expression, or why it does not compile.
    private static func compiled(_ text: String, _ use: (inout regex_t) -> String?) -> String?? {
        var expression = regex_t()
        let code = regcomp(&expression, text, REG_EXTENDED | REG_NOSUB)
        guard code == 0 else {
            var message = [CChar](repeating: 0, count: 256)
            regerror(code, &expression, &message, message.count)
            let words = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            return "it is no POSIX extended regular expression: " + String(decoding: words, as: UTF8.self)
        }
        defer { regfree(&expression) }
        return .some(use(&expression))
    }
}
