import MusterTestSupport
import Testing

@testable import DebianPackage

@Suite struct ControlParagraphTests {
    static let sample = """
        Package: hello
        Version: 2.10-3
        Architecture: amd64
        Maintainer: Santiago Vila <sanvila@debian.org>
        Description: example package based on GNU hello
         The GNU hello program produces a familiar, friendly greeting.
         .
         Seriously, though.

        """

    @Test("a real paragraph gives its fields, continuation lines joined")
    func real() throws {
        let control = try ControlParagraph(parsing: Array(Self.sample.utf8))
        #expect(control.fields.map(\.name) == ["Package", "Version", "Architecture", "Maintainer", "Description"])
        #expect(control["package"] == "hello")
        #expect(control["Description"]?.hasSuffix("greeting.\n.\nSeriously, though.") == true)
        #expect(try DebianIdentity(control).description == "hello 2.10-3 amd64")
    }

    @Test(
        "text that two readers could understand differently is refused",
        arguments: [
            ("Package: a1\npackage: b1\n", "field package occurs twice"),
            ("Package: a1\n\nVersion: 1\n", "text after the end of the paragraph"),
            (" continued\nPackage: a1\n", "a continuation line without a field"),
            ("Package a1\n", "is not of the form Name: value"),
            ("#Package: a1\n", "has no valid field name"),
            ("-Package: a1\n", "has no valid field name"),
            ("Pack age: a1\n", "has no valid field name"),
            (": a1\n", "has no valid field name"),
            ("Package: a1\r\nVersion: 1\n", "holds a control character"),
            ("Package: a\u{0}1\n", "holds a control character"),
            ("\n\n", "has no field"),
        ]
    )
    func refused(text: String, reason: String) throws {
        let error = #expect(throws: DebianPackageError.self) { try ControlParagraph(parsing: Array(text.utf8)) }
        #expect(error?.reason == reason)
    }

    @Test("a paragraph over its limit, or not UTF-8, is refused")
    func bounded() {
        let long = Array("A: ".utf8) + [UInt8](repeating: 0x61, count: ControlParagraph.byteLimit)
        #expect(throws: DebianPackageError.self) { try ControlParagraph(parsing: long) }
        #expect(throws: DebianPackageError.self) { try ControlParagraph(parsing: [0x41, 0x3A, 0x20, 0xFF, 0x0A]) }
        let many = (0...ControlParagraph.fieldLimit).map { "F\($0): x\n" }.joined()
        #expect(throws: DebianPackageError.self) { try ControlParagraph(parsing: Array(many.utf8)) }
    }

    @Test("no mutation of a paragraph crashes the parser, and what it accepts has well-formed fields")
    func mutations() {
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<20000 {
            var bytes = Array(Self.sample.utf8)
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0...3, using: &generator) {
                case 0: bytes[index] = UInt8.random(in: .min ... .max, using: &generator)
                case 1: bytes.remove(at: index)
                case 2: bytes.insert(bytes[Int.random(in: 0..<bytes.count, using: &generator)], at: index)
                default: bytes.removeSubrange(index...)
                }
                if bytes.isEmpty { break }
            }
            guard let control = try? ControlParagraph(parsing: bytes) else { continue }
            #expect(Set(control.fields.map { $0.name.lowercased() }).count == control.fields.count)
            #expect(control.fields.allSatisfy { !$0.name.isEmpty && !$0.name.contains(" ") })
        }
    }
}
