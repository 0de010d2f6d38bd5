import ByteCoding
import MusterTestSupport
import Testing

@Suite struct ByteCodingTests {
    @Test("hexadecimal is lower case, even, and nothing else")
    func hex() {
        #expect(Hex.encode([0, 0x0F, 0xA0, 0xFF]) == "000fa0ff")
        #expect(Hex.decode("000fa0ff") == [0, 0x0F, 0xA0, 0xFF])
        #expect(Hex.decode("") == [])
        for bad in ["0", "0F", "0g", " 00", "00 ", "0x00", "é0"] { #expect(Hex.decode(bad) == nil) }
    }

    @Test("a text is cut between characters, and not at all where it fits")
    func bounded() {
        #expect("abc".bounded(3) == "abc")
        #expect("abcd".bounded(3) == "abc")
        #expect("aé".bounded(2) == "a")
        #expect("ae\u{301}x".bounded(3) == "a")
        #expect("é".bounded(0) == "")
        // One character of 2001 bytes.
        #expect(("e" + String(repeating: "\u{301}", count: 1000)).bounded(4) == "e\u{301}")
    }

    @Test(
        "a text is cut at the sign's byte, whatever mark stands behind it",
        arguments: [
            ("A=b", "A", "b"), ("A=", "A", ""), ("=b", "", "b"), ("A=b=c", "A", "b=c"),
            ("TARGET=\u{301}web", "TARGET", "\u{301}web"), ("HOME=\u{301}/x=1", "HOME", "\u{301}/x=1"),
            ("A=\u{200D}b", "A", "\u{200D}b"), ("A=\u{FE0F}", "A", "\u{FE0F}"),
            ("A\u{600}=b", "A\u{600}", "b"),
        ]
    )
    func splitAtSign(_ text: String, _ before: String, _ after: String) throws {
        let parts = try #require(text.split(atFirst: UInt8(ascii: "=")))
        #expect(Array(parts.before.utf8) == Array(before.utf8))
        #expect(Array(parts.after.utf8) == Array(after.utf8))
        #expect("none".split(atFirst: UInt8(ascii: "=")) == nil)
    }

    @Test(
        "base64 of RFC 4648",
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ]
    )
    func base64(text: String, encoded: String) {
        #expect(Base64.encode(Array(text.utf8)) == encoded)
        #expect(Base64.decode(encoded) == Array(text.utf8))
        let url = String(encoded.prefix { $0 != "=" })
        #expect(Base64.encode(Array(text.utf8), alphabet: .url) == url)
        #expect(Base64.decode(url, alphabet: .url) == Array(text.utf8))
    }

    @Test(
        "base64 that is not the one text of its bytes is refused",
        arguments: [
            "Zg", "Zg=", "Zh==", "Zm9", "Zm9=", "Z", "=", "====", "Zg==\n", "Z g=", "Zm9v=", "A===", "-_==", "Zg==Zg==",
        ]
    )
    func badBase64(text: String) {
        #expect(Base64.decode(text) == nil)
    }

    @Test("the two alphabets are not mixed")
    func alphabets() {
        #expect(Base64.encode([0xFB, 0xFF, 0xFE]) == "+//+")
        #expect(Base64.encode([0xFB, 0xFF, 0xFE], alphabet: .url) == "-__-")
        #expect(Base64.decode("+//+", alphabet: .url) == nil)
        #expect(Base64.decode("-__-") == nil)
    }

    @Test(
        "times are written and read in one way",
        arguments: [
            (0, "1970-01-01T00:00:00Z"), (951_782_400, "2000-02-29T00:00:00Z"), (4_102_444_800, "2100-01-01T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"), (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] as [(Int64, String)]
    )
    func time(seconds: Int64, text: String) {
        #expect(UTCTime(seconds: seconds).description == text)
        #expect(UTCTime(text) == UTCTime(seconds: seconds))
    }

    @Test(
        "other times are refused",
        arguments: [
            "2023-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2024-13-01T00:00:00Z", "2024-00-01T00:00:00Z",
            "2024-01-00T00:00:00Z", "2024-04-31T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01T00:60:00Z",
            "2024-01-01T00:00:60Z", "1969-12-31T23:59:59Z", "2024-01-01t00:00:00Z", "2024-01-01T00:00:00z",
            "2024-01-01T00:00:00+00:00", "2024-01-01T00:00:00.000Z", "2024-01-01 00:00:00Z", "", "+024-01-01T00:00:00Z",
        ]
    )
    func badTime(text: String) {
        #expect(UTCTime(text) == nil)
    }

    @Test("every day of four centuries is read as it was written")
    func days() {
        for day in stride(from: Int64(0), to: 150_000, by: 13) {
            let time = UTCTime(seconds: day * 86400 + day % 86400)
            #expect(UTCTime(time.description) == time)
        }
    }

    @Test("time arithmetic stops at the ends of time instead of trapping")
    func saturation() {
        #expect(UTCTime(seconds: .max).milliseconds == .max)
        #expect(UTCTime(seconds: .min).milliseconds == .min)
        #expect(UTCTime(milliseconds: .max).adding(seconds: 1).milliseconds == .max)
        #expect(UTCTime(milliseconds: .min).adding(milliseconds: -1).milliseconds == .min)
        #expect(UTCTime(milliseconds: -1).seconds == -1)
        #expect(UTCTime(milliseconds: -1000).seconds == -1)
        #expect(UTCTime(milliseconds: .min).seconds < 0)
    }

    @Test("a reader never goes past the end, and refuses what is left over")
    func reader() throws {
        var writer = ByteWriter()
        writer.byte(1)
        writer.uint32(0x0203_0405)
        writer.uint64(.max)
        writer.string("é")
        var reader = ByteReader(writer.bytes)
        #expect(try reader.byte() == 1)
        #expect(try reader.uint32() == 0x0203_0405)
        #expect(try reader.uint64() == .max)
        #expect(throws: ByteReaderError.self) { try reader.end() }
        #expect(try reader.text(limit: 2) == "é")
        try reader.end()
        #expect(throws: ByteReaderError.self) { try reader.byte() }
        for bytes in [[0, 0, 0], [0, 0, 0, 2, 1], [0xFF, 0xFF, 0xFF, 0xFF], [0, 0, 0, 5, 1, 2, 3, 4, 5]] as [[UInt8]] {
            var reader = ByteReader(bytes)
            #expect(throws: ByteReaderError.self) { try reader.string(limit: 4) }
        }
        var invalid = ByteReader([0, 0, 0, 1, 0xFF])
        #expect(throws: ByteReaderError.self) { try invalid.text(limit: 4) }
    }

    @Test("constant-time comparison compares")
    func constantTime() {
        #expect(ConstantTime.equal([1, 2], [1, 2]))
        #expect(!ConstantTime.equal([1, 2], [1, 3]))
        #expect(!ConstantTime.equal([1], [1, 2]))
    }
}
