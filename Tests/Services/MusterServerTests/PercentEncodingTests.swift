import Testing

@testable import MusterServer

@Suite("Paths of requests")
struct PercentEncodingTests {
    @Test("Escapes are decoded once, and broken ones or bytes that are not UTF-8 are refused")
    func decoding() {
        let cases: [(String, String?)] = [
            ("hello_2%2B1%7E.deb", "hello_2+1~.deb"), ("plain", "plain"), ("%2525", "%25"), ("%2", nil), ("%", nil),
            ("%zz", nil), ("%ff", nil), ("%+1", nil),
        ]
        for (text, expected) in cases { #expect(PercentEncoding.decode(text.utf8) == expected, "\(text)") }
    }
}
