/// A word of an approved command with its placeholders: `--unit={unit}`; `{{` and `}}` are braces.
public struct CommandTemplate: Hashable, Sendable {
    /// A piece of the word.
    public enum Part: Hashable, Sendable {
        case text(String)
        case parameter(ParameterName)
    }

    /// The pieces, in order.
    public let parts: [Part]

    /// Parses a word; the error says what is wrong with it.
    public init(_ word: String) throws(CommandProblem) {
        var parts: [Part] = []
        var literal = ""
        var rest = word[...]
        while let character = rest.popFirst() {
            if character == rest.first, character == "{" || character == "}" {
                literal.append(character)
                rest.removeFirst()
            } else if character == "{" {
                guard let end = rest.firstIndex(of: "}"), let name = ParameterName(String(rest[..<end])) else {
                    throw CommandProblem("'\(word)' has a '{' that begins no parameter; write '{{' for a brace")
                }
                if !literal.isEmpty { parts.append(.text(literal)) }
                literal = ""
                parts.append(.parameter(name))
                rest = rest[rest.index(after: end)...]
            } else if character == "}" {
                throw CommandProblem("'\(word)' has a '}' without '{'; write '}}' for a brace")
            } else {
                literal.append(character)
            }
        }
        if !literal.isEmpty { parts.append(.text(literal)) }
        self.parts = parts
    }

    /// The parameters that it names.
    public var parameters: [ParameterName] {
        parts.compactMap { part in
            if case .parameter(let name) = part { name } else { nil }
        }
    }

    /// The one parameter that is the whole word; nil where there is more to it.
    public var only: ParameterName? {
        if parts.count == 1, case .parameter(let name) = parts[0] { name } else { nil }
    }
}

/// Why a command cannot be run, or not with these arguments, as one clause.
public struct CommandProblem: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong.
    public let text: String

    /// A problem in words.
    public init(_ text: String) {
        self.text = text
    }

    /// What is wrong.
    public var description: String { text }
}
