import MusterModel
import MusterTestSupport
import Testing

@Suite("ValuePattern")
struct ValuePatternTests {
    @Test(
        "matches whole values only",
        arguments: [
            ("nginx|php-fpm", "nginx", true), ("nginx|php-fpm", "nginx2", false), ("nginx|php-fpm", "xnginx", false),
            ("a|ab", "ab", true), ("[a-z]{2,4}", "abc", true), ("[a-z]{2,4}", "abcde", false),
            ("[a-z]*", "", true), ("x", "", false), ("a.c", "a\u{2014}c", false), ("[0-9]+", "١٢", false),
            ("^a$", "a", true), ("(a|b)+", "abab", true), ("\\.", ".", true), ("\\.", "x", false),
        ]
    )
    func wholeValues(_ pattern: String, _ value: String, _ fits: Bool) {
        #expect(ValuePattern(pattern).problem == nil)
        #expect(ValuePattern(pattern).matches(value) == fits)
    }

    @Test("does not match a value that ends where a C string would")
    func zeroByte() {
        #expect(!ValuePattern("good").matches("good\u{0}evil"))
    }

    @Test(
        "refuses what it cannot hold to its bounds, and then matches nothing",
        arguments: [
            "", "(", "a)|(b", "[a", "(a)\\1", "a{1,5000}", "((a{64}){64}){2}", "a{2,1}", "a\nb",
            String(repeating: "a", count: 513),
        ]
    )
    func refused(_ pattern: String) {
        #expect(ValuePattern(pattern).problem != nil)
        #expect(!ValuePattern(pattern).matches("anything"))
    }

    @Test("takes no exponential time")
    func noBacktracking() {
        let value = String(repeating: "a", count: 4000) + "b"
        #expect(!ValuePattern("(a|aa)+").matches(value))
        #expect(!ValuePattern("(a*)*").matches(value))
    }

    @Test("never crashes and never matches beyond its text, whatever the pattern")
    func fuzz() {
        var random = SeededGenerator(seed: 20_261_123)
        let pieces = [
            "a", "b", "(", ")", "[", "]", "*", "+", "?", "|", "{1,3}", "{", "}", "\\", "^", "$", ".", "-", "1",
        ]
        for _ in 0..<3000 {
            let count = Int.random(in: 1...12, using: &random)
            let text = (0..<count).map { _ in pieces[Int.random(in: 0..<pieces.count, using: &random)] }.joined()
            let pattern = ValuePattern(text)
            let matches = pattern.matches("ab1")
            if pattern.problem != nil { #expect(!matches) }
        }
    }
}
