/// The one paragraph of a binary package's `control` file (deb-control(5)).
///
/// ```
/// Package: hello
/// Version: 2.10-3
/// Description: example package
///  a continuation line starts with a space
/// ```
/// Stricter than dpkg where two readers might differ: UTF-8 without control characters, every field once whatever its
/// case, no comment, nothing after the paragraph.
public struct ControlParagraph: Equatable, Sendable {
    /// Most bytes of a control file.
    public static let byteLimit = 262_144
    /// Most fields of a paragraph.
    public static let fieldLimit = 256

    /// One field; a continuation line follows a newline, without its leading space.
    public struct Field: Equatable, Sendable {
        /// The name as it was written.
        public let name: String
        /// The value without white space around it.
        public let value: String
    }

    /// The fields in their order.
    public let fields: [Field]

    /// Parses the bytes of a control file.
    public init(parsing bytes: [UInt8]) throws(DebianPackageError) {
        guard bytes.count <= Self.byteLimit else {
            throw DebianPackageError(location: "control file", reason: "is longer than \(Self.byteLimit) bytes")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw DebianPackageError(location: "control file", reason: "is not UTF-8")
        }
        var parser = ControlParser()
        for line in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            try parser.read(Substring(line))
        }
        fields = try parser.finish()
    }

    /// The value of a field, whatever the case of its name.
    public subscript(name: String) -> String? {
        fields.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    /// The value of a field that must be there and hold one line.
    public func line(_ name: String) throws(DebianPackageError) -> String {
        guard let value = self[name] else { throw DebianPackageError(location: "field \(name)", reason: "is missing") }
        guard !value.isEmpty, !value.utf8.contains(UInt8(ascii: "\n")) else {
            throw DebianPackageError(location: "field \(name)", reason: "is not one line of text")
        }
        return value
    }
}

/// Takes the lines one by one.
private struct ControlParser {
    private var fields: [ControlParagraph.Field] = []
    private var names: Set<String> = []
    private var open: (name: String, lines: [Substring])?
    private var lineNumber = 0
    private var ended = false

    mutating func read(_ line: Substring) throws(DebianPackageError) {
        lineNumber += 1
        guard line.utf8.allSatisfy({ ($0 >= 0x20 && $0 != 0x7F) || $0 == UInt8(ascii: "\t") }) else {
            throw error("holds a control character")
        }
        if line.isEmpty {
            close()
            ended = true
            return
        }
        guard !ended else { throw error("text after the end of the paragraph") }
        if line.utf8.first == UInt8(ascii: " ") || line.utf8.first == UInt8(ascii: "\t") {
            guard open != nil else { throw error("a continuation line without a field") }
            open?.lines.append(Self.trimmed(line.dropFirst(), both: false))
        } else {
            close()
            try begin(line)
        }
    }

    mutating func finish() throws(DebianPackageError) -> [ControlParagraph.Field] {
        close()
        guard !fields.isEmpty else { throw DebianPackageError(location: "control file", reason: "has no field") }
        return fields
    }

    private mutating func begin(_ line: Substring) throws(DebianPackageError) {
        guard let colon = line.utf8.firstIndex(of: UInt8(ascii: ":")) else {
            throw error("is not of the form Name: value")
        }
        let name = line[..<colon]
        guard let first = name.utf8.first, first != UInt8(ascii: "#"), first != UInt8(ascii: "-"),
            name.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), name.utf8.count <= 128
        else { throw error("has no valid field name") }
        guard names.insert(name.lowercased()).inserted else { throw error("field \(name) occurs twice") }
        guard names.count <= ControlParagraph.fieldLimit else {
            throw error("more than \(ControlParagraph.fieldLimit) fields")
        }
        open = (String(name), [Self.trimmed(line[line.utf8.index(after: colon)...], both: true)])
    }

    private mutating func close() {
        guard let field = open else { return }
        fields.append(ControlParagraph.Field(name: field.name, value: field.lines.joined(separator: "\n")))
        open = nil
    }

    private func error(_ reason: String) -> DebianPackageError {
        DebianPackageError(location: "line \(lineNumber)", reason: reason)
    }

    private static func trimmed(_ text: Substring, both: Bool) -> Substring {
        var text = text
        while let last = text.utf8.last, last == 0x20 || last == 0x09 { text.unicodeScalars.removeLast() }
        while both, let first = text.utf8.first, first == 0x20 || first == 0x09 { text.unicodeScalars.removeFirst() }
        return text
    }
}
