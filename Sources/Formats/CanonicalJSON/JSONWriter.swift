import ByteCoding

/// Writes a `JSONValue` as text.
struct JSONWriter {
    enum Style {
        case canonical
        case compact
        /// Compact, for people.
        case line
        /// Indented, for people.
        case pretty

        var isForPeople: Bool { self == .line || self == .pretty }
    }

    let style: Style
    private(set) var bytes: [UInt8] = []
    private var depth = 0

    init(style: Style) {
        self.style = style
    }

    mutating func write(_ value: JSONValue) {
        switch value {
        case .null: append("null")
        case .bool(let value): append(value ? "true" : "false")
        case .integer(let value): append(String(value))
        case .bigInteger(let digits): append(digits)
        case .string(let text): write(text)
        case .array(let values):
            list("[", values, "]") { writer, value in writer.write(value) }
        case .object(let object):
            list("{", object.members, "}") { writer, member in
                writer.write(member.key)
                writer.append(writer.style == .pretty ? ": " : ":")
                writer.write(member.value)
            }
        }
    }

    private mutating func list<Element>(
        _ open: StaticString,
        _ elements: [Element],
        _ close: StaticString,
        each: (inout JSONWriter, Element) -> Void
    ) {
        append(open.description)
        depth += 1
        for (index, element) in elements.enumerated() {
            if index > 0 { append(",") }
            newLine()
            each(&self, element)
        }
        depth -= 1
        if !elements.isEmpty { newLine() }
        append(close.description)
    }

    private mutating func newLine() {
        guard style == .pretty else { return }
        append("\n")
        for _ in 0..<depth { append(" ") }
    }

    private mutating func append(_ text: String) {
        bytes.append(contentsOf: text.utf8)
    }

    private mutating func write(_ text: String) {
        if style.isForPeople, text.unicodeScalars.contains(where: \.isSteering) { return writeForPeople(text) }
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case 0..<0x20 where style != .canonical:
                append(Self.escapes[Int(byte)])
            default:
                bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// Escapes everything that would steer the terminal which the text may be shown at.
    private mutating func writeForPeople(_ text: String) {
        append("\"")
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": append("\\" + String(scalar))
            case _ where scalar.value < 0x20: append(Self.escapes[Int(scalar.value)])
            case _ where scalar.isSteering:
                for unit in String(scalar).utf16 {
                    let digits = String(unit, radix: 16)
                    append("\\u" + String(repeating: "0", count: 4 - digits.count) + digits)
                }
            default: append(String(scalar))
            }
        }
        append("\"")
    }

    /// The escape of each control character (RFC 8259 section 7), the short one where there is one.
    private static let escapes: [String] = (0..<0x20).map { code in
        switch code {
        case 0x08: "\\b"
        case 0x09: "\\t"
        case 0x0A: "\\n"
        case 0x0C: "\\f"
        case 0x0D: "\\r"
        default: "\\u00" + (code < 16 ? "0" : "") + String(code, radix: 16)
        }
    }
}
