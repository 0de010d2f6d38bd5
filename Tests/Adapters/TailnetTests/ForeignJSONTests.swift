import ByteCoding
import MusterTestSupport
import Testing

@testable import Tailnet

extension TailnetIdentityTests {
    @Suite("Other programs' JSON")
    struct ForeignJSONTests {
        private func member(_ text: String, limit: Int = 100) throws -> String? {
            var json = ForeignJSON(Array(text.utf8))
            var found: String?
            json.begin()
            try json.members(["a"]) { _, json throws(ForeignJSONError) in found = try json.string(limit: limit) }
            try json.end()
            return found
        }

        @Test("What is not wanted is stepped over, whatever it is: floats, other documents, the same key twice")
        func leniency() throws {
            let text = """
                {"x": 1.5e-3, "y": {"a": 1, "a": [[], {}, -0.0, 1E9, "\\u00e9\\ud800"]}, "x": null, "a": "found", "z": [true,
                \tfalse, null]}
                """
            #expect(try member(text) == "found")
        }

        @Test("Escapes are read as Go writes them, surrogates joined, and a lone one is no way in")
        func escapes() throws {
            #expect(try member(#"{"a": "\u003cb\u0026\n\"\\\/\ud83d\ude00"}"#) == "<b&\n\"\\/😀")
            #expect(try member(#"{"a": "x\ud83dy"}"#) == "x\u{FFFD}y")
            #expect(try member(#"{"a": "x\ud83d\u0041"}"#) == "x\u{FFFD}A")
        }

        @Test("A member that is read must not be there twice")
        func duplicate() {
            #expect(throws: ForeignJSONError.self) { try member(#"{"a": "1", "a": "2"}"#) }
            #expect(throws: ForeignJSONError.self) { try member(#"{"a": "1", "\u0061": "2"}"#) }
        }

        @Test("null means absent")
        func null() throws {
            #expect(try member(#"{"a": null}"#) == nil)
        }

        @Test("Broken, truncated and over-deep documents, and text after them, are refused")
        func broken() {
            for text in [
                "", "{", "[]", "{}x", #"{"a"}"#, #"{"a":}"#, #"{"a": "x"#, #"{"a": "x",}"#, #"{"b": nul, "a": "x"}"#,
                #"{"b": [1,,2]}"#, #"{"a": 5}"#, #"{"a": "\x"}"#, #"{"a": "\u00g0"}"#,
            ] {
                #expect(throws: ForeignJSONError.self, "\(text)") { try member(text) }
            }
            let deep = String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000)
            #expect(throws: ForeignJSONError.self) { try member("{\"b\": \(deep)}") }
        }

        @Test("Text is bounded, escaped or not")
        func bounds() {
            #expect(throws: ForeignJSONError.self) { try member(#"{"a": "12345"}"#, limit: 4) }
            #expect(throws: ForeignJSONError.self) { try member(#"{"a": "\u00e9\u00e9\u00e9"}"#, limit: 4) }
        }

        @Test("No damaged document of tailscaled's makes the reader fail in another way than by an error")
        func mutations() throws {
            for name in ["whois-user-node", "whois-tagged-node", "status"] {
                let bytes = try TestVectors.read("tailscale-localapi/\(name).json")
                Mutations.of(bytes) { damaged in
                    var json = ForeignJSON(damaged)
                    json.begin()
                    _ = try? TailscaleDocuments.whois(&json)
                    json = ForeignJSON(damaged)
                    json.begin()
                    _ = try? TailscaleDocuments.status(&json)
                    _ = LocalHTTP.parse(Array("HTTP/1.1 200 OK\r\n".utf8) + damaged)
                }
            }
        }

        @Test("Times are read as Go writes them; its zero time and what is none is nothing")
        func times() {
            #expect(ForeignTime.parse("2026-10-07T17:23:30Z")?.description == "2026-10-07T17:23:30Z")
            #expect(ForeignTime.parse("2026-04-10T17:23:30.195663495Z")?.description == "2026-04-10T17:23:30Z")
            #expect(ForeignTime.parse("2026-04-10T19:23:30+02:00")?.description == "2026-04-10T17:23:30Z")
            #expect(ForeignTime.parse("2026-04-10T09:53:30.5-07:30")?.description == "2026-04-10T17:23:30Z")
            for text in [
                "0001-01-01T00:00:00Z", "", "now", "2026-13-01T00:00:00Z", "2026-04-10T17:23:30",
                "2026-04-10T17:23:30.Z",
            ] {
                #expect(ForeignTime.parse(text) == nil, "\(text)")
            }
        }
    }
}
