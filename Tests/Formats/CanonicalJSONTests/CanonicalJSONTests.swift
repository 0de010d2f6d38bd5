import CanonicalJSON
import MusterTestSupport
import Testing

@Suite struct CanonicalJSONTests {
    private func parse(_ text: String) throws -> JSONValue { try JSONValue.parse(Array(text.utf8), limit: 1 << 20) }

    private func canonical(_ text: String) throws -> String {
        String(decoding: try parse(text).canonicalBytes, as: UTF8.self)
    }

    @Test(
        "canonical text: keys by code point, no white space, only quote and backslash escaped",
        arguments: [
            (#" { "b" : 1 , "a" : [ true , null ] } "#, #"{"a":[true,null],"b":1}"#),
            (#"{"a":"\/\u0041\"\\"}"#, #"{"a":"/A\"\\"}"#), (#""\n\t\u0001""#, "\"\n\t\u{1}\""),
            (#""\ud83d\ude00é""#, "\"😀é\""), (#"{"\uffff":1,"\ud800\udc00":2}"#, "{\"\u{FFFF}\":1,\"\u{10000}\":2}"),
            ("123456789012345678901234567890", "123456789012345678901234567890"), ("-1", "-1"), ("0", "0"),
            ("-9223372036854775808", "-9223372036854775808"), ("9223372036854775808", "9223372036854775808"),
            (#"{"\u0061b":1,"aa":2}"#, #"{"aa":2,"ab":1}"#), ("[]", "[]"), ("{}", "{}"), ("[ ]", "[]"), ("{ }", "{}"),
            (#"{"x":{"b":[ {"d":1,"c":2} ],"a":""}}"#, #"{"x":{"a":"","b":[{"c":2,"d":1}]}}"#),
        ]
    )
    func canonicalText(text: String, expected: String) throws {
        #expect(try canonical(text) == expected)
        #expect(try canonical(expected) == expected)
        let node = try JSONDocument(parsing: Array(text.utf8), limit: 1000).root
        #expect(node.canonicalBytes == Array(expected.utf8))
        #expect(try parse(String(decoding: parse(text).jsonBytes, as: UTF8.self)) == parse(text))
        #expect(try parse(parse(text).prettyText) == parse(text))
    }

    @Test("text for people steers no terminal, and says the same")
    func harmlessText() throws {
        let text = "a\"\\\u{1B}[2J\u{7F}\u{9B}\u{202E}\u{E0001}é\n"
        let written = JSONValue.string(text).prettyText
        #expect(written == #""a\"\\\u001b[2J\u007f\u009b\u202e\udb40\udc01é\n""# + "\n")
        #expect(try parse(written) == .string(text))
    }

    @Test(
        "refused: floats, duplicates, surrogates, nonsense",
        arguments: [
            "1.0", "1e3", "01", "-0", "-", "+1", "NaN", "tru", "nul", "", " ", "[", "]", "[1,]", "[,]", "[1 2]", "{",
            #"{"a":1,}"#, #"{"a"}"#, #"{a:1}"#, #"{"a":1,"a":1}"#, #"{"a":1,"b":2,"a":3}"#, #"{"a":1,"\u0061":2}"#,
            #"{"b":1,"a":2,"b":3}"#, #""\ud800""#, #""\udc00""#, #""\ud800\u0041""#, #""\ud800x""#, #""\x""#,
            #""\u12""#,
            #""abc"#, #""abc\"#, "1 2", "{}x", "'a'", "// c\n1", "-a", "\u{FEFF}1", #"["\uD800","\uDC00"]"#,
        ]
    )
    func refused(text: String) {
        #expect(throws: JSONError.self) { try parse(text) }
    }

    @Test(
        "bytes that are not UTF-8 are refused",
        arguments: [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xE2, 0x82]]
    )
    func notUTF8(bytes: [UInt8]) {
        #expect(throws: JSONError.self) { try JSONValue.parse([0x22] + bytes + [0x22], limit: 100) }
    }

    @Test("nesting and length are bounded")
    func bounds() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        _ = try parse(nested(64))
        #expect(throws: JSONError.self) { try parse(nested(65)) }
        #expect(throws: JSONError.self) { try parse(String(repeating: "[", count: 100_000)) }
        #expect(throws: JSONError.self) { try JSONValue.parse(Array("[1,2,3]".utf8), limit: 6) }
    }

    @Test("keys that only look alike are two keys")
    func lookAlikes() throws {
        let value = try parse("{\"e\u{301}\":1,\"\u{E9}\":2}")
        guard case .object(let object) = value else { return }
        #expect(object.count == 2)
        #expect(value["\u{E9}"] == 2)
        #expect(value["e\u{301}"] == 1)
        #expect(JSONValue.string("\u{E9}") != .string("e\u{301}"))
    }

    @Test("a node gives what the value gives")
    func nodes() throws {
        let text =
            #"{"z":1,"a":{"n":null,"t":true,"s":"x\ny","big":99999999999999999999},"l":[1,[2,{"q":"\"r"}]],"\u0065":-5}"#
        let document = try JSONDocument(parsing: Array(text.utf8), limit: 1000)
        #expect(document.root.value == (try parse(text)))
        #expect(document.root["z"]?.integer == 1)
        #expect(document.root["e"]?.integer == -5)
        #expect(document.root["a"]?["s"]?.string == "x\ny")
        #expect(document.root["a"]?["big"]?.integer == nil)
        #expect(document.root.sortedMembers.map(\.key.string) == ["a", "e", "l", "z"])
        #expect(document.root.canonicalBytes == (try parse(text)).canonicalBytes)
    }

    @Test("objects that are made: of two members with one key the later stays, in canonical order")
    func made() {
        let object = JSONObject([("b", 1), ("a", 2), ("b", 3), ("\u{10000}", 4), ("\u{FFFF}", 5)])
        #expect(object.keys == ["a", "b", "\u{FFFF}", "\u{10000}"])
        #expect(object["b"] == 3)
    }

    @Test("mutated documents: an answer for every one, and reading what was written gives the same", arguments: 0..<4)
    func fuzz(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let text =
            #"{"a":[1,-2,"x\u00e9\ud83d\ude00é",{"k":null,"j":true}],"b":{"":"","zz":12345678901234567890},"c":"\\\""}"#
        for _ in 0..<500 {
            guard let document = try? JSONDocument(parsing: random.mutated(Array(text.utf8)), limit: 1000) else {
                continue
            }
            let value = document.root.value
            #expect(document.root.canonicalBytes == value.canonicalBytes, "seed \(seed)")
            #expect(try JSONValue.parse(value.canonicalBytes, limit: 2000) == value, "seed \(seed)")
            #expect(try JSONValue.parse(value.jsonBytes, limit: 9000) == value, "seed \(seed)")
            let again = try JSONDocument(parsing: value.canonicalBytes, limit: 2000).root.canonicalBytes
            #expect(again == value.canonicalBytes, "seed \(seed)")
        }
    }
}
