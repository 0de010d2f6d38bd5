import ByteCoding
import SignatureVerification

/// The paths of target files: matching against patterns, and what is safe to make a path or an address of.
public enum TargetPath {
    /// Whether a path is relative, without empty parts, `.`, `..`, control characters or backslashes, and at most 1024
    /// bytes: nothing that leaves its directory, whoever interprets it.
    public static func isSafe(_ path: String) -> Bool {
        guard !path.isEmpty, path.utf8.count <= 1024 else { return false }
        guard path.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "\\") }) else { return false }
        return path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).allSatisfy { part in
            !part.isEmpty && !part.elementsEqual(".".utf8) && !part.elementsEqual("..".utf8)
        }
    }

    /// Whether a path matches a shell pattern whose `*` and `?` do not cross `/`; every other character means itself.
    public static func matches(_ path: String, pattern: String) -> Bool {
        let parts = path.unicodeScalars.split(separator: "/", omittingEmptySubsequences: false)
        let patterns = pattern.unicodeScalars.split(separator: "/", omittingEmptySubsequences: false)
        return parts.count == patterns.count && zip(parts, patterns).allSatisfy { matches(Array($0), Array($1)) }
    }

    /// The hexadecimal SHA-256 of a path, for hash prefixes.
    public static func hash(_ path: String) -> String {
        Hex.encode(Digest.sha256(Array(path.utf8)))
    }

    /// A text with everything but letters, digits, `_`, `.`, `-` and `~` percent-encoded: one part of an address, and
    /// one file name.
    public static func percentEncoded(_ text: String) -> String {
        var encoded: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"),
                UInt8(ascii: "~"):
                encoded.append(byte)
            default:
                encoded.append(UInt8(ascii: "%"))
                encoded += Hex.encode([byte]).uppercased().utf8
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }

    /// The address of a target file relative to the repository's targets; nil for a path that is not safe.
    ///
    /// Every part is percent-encoded; the hash goes before the file name where the repository has consistent snapshots.
    public static func address(of file: TargetFile, consistentSnapshot: Bool) -> String? {
        guard isSafe(file.path) else { return nil }
        var parts = file.path.utf8.split(separator: UInt8(ascii: "/")).map {
            percentEncoded(String(decoding: $0, as: UTF8.self))
        }
        if consistentSnapshot {
            guard let prefix = file.hashes.fileNamePrefix, let name = parts.popLast() else { return nil }
            parts.append(prefix + "." + name)
        }
        return parts.joined(separator: "/")
    }

    /// Matches one part, in time bounded by the product of the lengths.
    private static func matches(_ text: [Unicode.Scalar], _ pattern: [Unicode.Scalar]) -> Bool {
        var position = 0
        var expected = 0
        var afterStar: (position: Int, expected: Int)?
        while position < text.count {
            if expected < pattern.count, pattern[expected] == "*" {
                expected += 1
                afterStar = (position, expected)
            } else if expected < pattern.count, pattern[expected] == "?" || pattern[expected] == text[position] {
                position += 1
                expected += 1
            } else if let star = afterStar {
                position = star.position + 1
                expected = star.expected
                afterStar = (position, expected)
            } else {
                return false
            }
        }
        return pattern[expected...].allSatisfy { $0 == "*" }
    }
}
