import DebianPackage
import MusterModel

extension Selection {
    /// Parses a selection.
    public init(parsing text: String) throws(SelectionSyntaxError) {
        var parser = SelectionParser(places: try SelectionScanner.scan(text))
        self = try parser.whole()
    }
}

/// Recursive descent over the grammar at the head of this module.
struct SelectionParser {
    private let places: [SelectionScanner.Place]
    private var index = 0
    private var depth = 0

    init(places: [SelectionScanner.Place]) {
        self.places = places
    }

    private static let terms =
        "'*', tag:TAG, node:NODE, name:GLOB, os, arch, state, agent, version(PACKAGE), 'not' or '('"

    /// The one selection that the text is.
    mutating func whole() throws(SelectionSyntaxError) -> Selection {
        let selection = try selection()
        guard current.token == .end else { throw mistake("'and', 'or' or the end") }
        return selection
    }

    // MARK: - Levels

    private mutating func selection() throws(SelectionSyntaxError) -> Selection {
        guard let quota = try quota() else { return try choice() }
        return .quota(quota, try choice())
    }

    private mutating func choice() throws(SelectionSyntaxError) -> Selection {
        var parts = [try union()]
        while take(.word("or")) { parts.append(try union()) }
        return parts.count == 1 ? parts[0] : .any(parts)
    }

    private mutating func union() throws(SelectionSyntaxError) -> Selection {
        var parts = [try term()]
        while take(.word("and")) { parts.append(try term()) }
        return parts.count == 1 ? parts[0] : .all(parts)
    }

    private mutating func term() throws(SelectionSyntaxError) -> Selection {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Selection.depthLimit else {
            throw SelectionSyntaxError(column: current.column, "it is nested more than \(Selection.depthLimit) deep")
        }
        if take(.sign("(")) {
            let inner = try selection()
            guard take(.sign(")")) else { throw mistake("'and', 'or' or ')'") }
            return inner
        }
        if take(.word("not")) { return .not(try term()) }
        guard case .word(let word) = current.token else { throw mistake(Self.terms) }
        if let selection = try named(word) { return selection }
        return try comparison(word)
    }

    // MARK: - Terms

    private mutating func quota() throws(SelectionSyntaxError) -> Selection.Quota? {
        guard case .word(let word) = current.token, let first = word.utf8.first, (0x30...0x39).contains(first) else {
            return nil
        }
        let isPercent = word.hasSuffix("%")
        let digits = isPercent ? word.dropLast() : word[...]
        let range = isPercent ? 1...100 : 1...1_000_000
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(digits), range.contains(number)
        else { throw mistake("1% to 100%, or a number from 1 to 1000000") }
        index += 1
        guard take(.word("of")) else { throw mistake("'of'") }
        return isPercent ? .percent(number) : .count(number)
    }

    private mutating func named(_ word: String) throws(SelectionSyntaxError) -> Selection? {
        if word == "*" {
            index += 1
            return .every
        }
        guard let colon = word.firstIndex(of: ":") else { return nil }
        let name = String(word[word.index(after: colon)...])
        let selection: Selection
        switch word[..<colon] {
        case "tag":
            guard let tag = Tag(name) else { throw mistake("after 'tag:' \(Tag.form)") }
            selection = .tag(tag)
        case "node":
            guard !name.isEmpty, name.utf8.count <= 253 else { throw mistake("after 'node:' a node's id or name") }
            selection = .node(name)
        case "name":
            guard let glob = GlobPattern(name) else { throw mistake("after 'name:' a pattern such as web-*") }
            selection = .name(glob)
        default: throw mistake(Self.terms)
        }
        index += 1
        return selection
    }

    private mutating func comparison(_ word: String) throws(SelectionSyntaxError) -> Selection {
        if let first = word.utf8.first, (0x30...0x39).contains(first) {
            throw SelectionSyntaxError(
                column: current.column,
                "a quota such as '\(word) of …' stands at the beginning or after '(': put parentheses around it"
            )
        }
        let fact = try fact(word)
        guard case .sign(let text) = current.token, let sign = Selection.Comparison.Sign(rawValue: text) else {
            throw mistake(fact.isVersion ? "one of = != < <= > >=" : "= or !=")
        }
        guard fact.isVersion || !sign.isOrder else { throw mistake("= or != (\(fact) has no order)") }
        index += 1
        return .comparison(Selection.Comparison(fact: fact, sign: sign, value: try value(of: fact)))
    }

    private mutating func fact(_ word: String) throws(SelectionSyntaxError) -> Selection.Comparison.Fact {
        let fact: Selection.Comparison.Fact
        switch word {
        case "os": fact = .os
        case "arch": fact = .architecture
        case "state": fact = .state
        case "agent": fact = .agent
        case "version": fact = .version(package: "")
        default: throw mistake(Self.terms)
        }
        index += 1
        guard case .version = fact else { return fact }
        guard take(.sign("(")) else { throw mistake("'(' and the package's name") }
        guard case .word(let package) = current.token, package.utf8.count <= 256 else {
            throw mistake("the package's name")
        }
        index += 1
        guard take(.sign(")")) else { throw mistake("')'") }
        return .version(package: package)
    }

    private mutating func value(of fact: Selection.Comparison.Fact) throws(SelectionSyntaxError) -> String {
        let text: String
        switch current.token {
        case .word(let word): text = word
        case .quoted(let quoted) where !quoted.isEmpty: text = quoted
        default: throw mistake(fact.isVersion ? "a version" : "a value")
        }
        guard !fact.isVersion || DebianVersion(text) != nil else { throw mistake("a Debian version such as 1.98-1") }
        index += 1
        return text
    }

    // MARK: - Tokens

    private var current: SelectionScanner.Place { places[index] }

    private mutating func take(_ token: SelectionScanner.Token) -> Bool {
        guard current.token == token else { return false }
        index += 1
        return true
    }

    private func mistake(_ expected: String) -> SelectionSyntaxError {
        SelectionSyntaxError(column: current.column, "expected \(expected), found \(current.token)")
    }
}
