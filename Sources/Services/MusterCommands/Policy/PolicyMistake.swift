import CanonicalJSON

/// What is wrong with a policy's source, where, and what to do about it.
struct PolicyMistake: Hashable, Sendable, CustomStringConvertible {
    let file: String
    /// From 1; 0 where it is about the whole file.
    let line: Int
    let column: Int
    /// The part it is about, such as `rules[0].who`.
    let path: String
    let text: String

    /// `fleet.yaml:7:25: rules[0].who: …`, as compilers write it.
    var description: String {
        "\(file)\(line > 0 ? ":\(line):\(column)" : ""): \(path.isEmpty ? "" : path + ": ")\(text)"
    }

    var json: JSONValue {
        [
            "file": .string(file), "line": .integer(Int64(line)), "column": .integer(Int64(column)),
            "path": .string(path), "text": .string(text),
        ]
    }
}

/// Everything that was found wrong with a policy's source, in the order of its lines.
struct PolicyMistakes: Error, CustomStringConvertible {
    let all: [PolicyMistake]

    init(_ all: [PolicyMistake]) {
        self.all = all.sorted { ($0.line, $0.column) < ($1.line, $1.column) }
    }

    var description: String { all.map(\.description).joined(separator: "\n") }
}
