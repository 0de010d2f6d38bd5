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

    @Test("no mark, joiner or sign before or behind a brace hides a count from the limit")
    func hiddenCounts() {
        var random = SeededGenerator(seed: 20_261_124)
        let marks = ["", "\u{301}", "\u{200D}", "\u{FE0F}", "\u{600}", "\u{1F3FB}", "\u{E0061}", "\u{900}", "\u{94D}"]
        func mark() -> String { marks[Int.random(in: 0..<marks.count, using: &random)] }
        #expect(ValuePattern("((x){300}\u{301}){300}\u{301}").problem?.hasPrefix("its counts multiply") == true)
        #expect(ValuePattern("((x)\u{600}{300}){300}").problem?.hasPrefix("its counts multiply") == true)
        for _ in 0..<2000 {
            let text = "((x)\(mark()){300}\(mark()))\(mark()){300}\(mark())"
            #expect(ValuePattern(text).problem?.hasPrefix("its counts multiply") == true, "\(Array(text.utf8))")
        }
        #expect(ValuePattern("[a-z]{2,8}\u{301}").problem == nil, "counts within the limit stay good")
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
