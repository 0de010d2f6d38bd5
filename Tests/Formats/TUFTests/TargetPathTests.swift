import TUF
import Testing

@Suite struct TargetPathTests {
    @Test(
        "path traversal: whatever would leave its directory is not safe",
        arguments: [
            "", "/", "/etc/passwd", "..", "../x", "a/../b", "a/..", ".", "./a", "a//b", "a/", "a\u{0}b", "a\\..\\b",
            "a\nb", "a\u{7F}", String(repeating: "a", count: 1025),
        ]
    )
    func unsafe(path: String) {
        #expect(!TargetPath.isSafe(path))
        let file = TargetFile(path: path, content: [])
        #expect(TargetPath.address(of: file, consistentSnapshot: true) == nil)
    }

    @Test(
        "ordinary paths are safe",
        arguments: ["a", "releases/hello_2.10-3_amd64.deb", "...", "a/..b/c..", "a b/é?#%"]
    )
    func safe(path: String) {
        #expect(TargetPath.isSafe(path))
    }

    @Test("addresses: every part percent-encoded, the hash before the name")
    func address() {
        let file = TargetFile(path: "a b/c?d#e%.txt", length: 0, hashes: FileHashes(sha256: [0xAB, 0x01]))
        #expect(TargetPath.address(of: file, consistentSnapshot: false) == "a%20b/c%3Fd%23e%25.txt")
        #expect(TargetPath.address(of: file, consistentSnapshot: true) == "a%20b/ab01.c%3Fd%23e%25.txt")
        #expect(TargetPath.percentEncoded("../délégué") == "..%2Fd%C3%A9l%C3%A9gu%C3%A9")
    }

    @Test(
        "wildcards do not cross a slash, and nothing else is special",
        arguments: [
            ("*", "a", true), ("*", "a/b", false), ("*/*", "a/b", true), ("a*", "a", true), ("a?", "a", false),
            ("a?", "ab", true), ("a?b", "a/b", false), ("*.txt", "x.txt", true), ("*.txt", "x.txt.gz", false),
            ("*a*b*", "xxaxxbxx", true), ("*a*b*", "xxbxxaxx", false), ("[ab]", "a", false), ("[ab]", "[ab]", true),
            ("", "", true), ("releases/*", "releases/x", true), ("releases/*", "releases/", true),
            ("releases/*", "releases", false), ("?", "é", true), ("**", "a/b", false),
            ("a*a*a*a*a*a*a*a*b", String(repeating: "a", count: 500), false),
        ]
    )
    func patterns(pattern: String, path: String, expected: Bool) {
        #expect(TargetPath.matches(path, pattern: pattern) == expected)
    }
}
