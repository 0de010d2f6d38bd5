import MusterModel
import MusterSelection
import MusterTestSupport
import Testing

/// The language of selectors: what it means, where its mistakes are, and that it can be written down again.
@Suite
struct SelectionParsingTests {
    @Test("the sentence of the issue parses to what it says")
    func sentence() throws {
        let selection = try Selection(
            parsing: "tag:web and not node:db1 and os=debian and version(tailscale) < 1.98"
        )
        guard case .all(let parts) = selection else { return #expect(Bool(false), "\(selection)") }
        #expect(
            parts.map(\.description) == ["tag:web", "not node:db1", "os=debian", "version(tailscale) < 1.98"]
        )
    }

    @Test(
        "what is written down again is the same, with no more parentheses than are needed",
        arguments: [
            ("*", "*"), ("  tag:web ", "tag:web"), ("((tag:web))", "tag:web"), ("name:web-?*", "name:web-?*"),
            ("tag:a or tag:b and tag:c", "tag:a or tag:b and tag:c"),
            ("tag:a or (tag:b and tag:c)", "tag:a or tag:b and tag:c"),
            ("(tag:a or tag:b) and tag:c", "(tag:a or tag:b) and tag:c"),
            ("(tag:a and tag:b) and tag:c", "(tag:a and tag:b) and tag:c"),
            ("not not tag:a", "not not tag:a"), ("not (tag:a or tag:b)", "not (tag:a or tag:b)"),
            ("os = debian", "os=debian"), ("os!=\"debian 12\"", "os!=\"debian 12\""), ("arch=\"amd64\"", "arch=amd64"),
            ("version(hello)>=1:2.10-3~x+b1", "version(hello) >= 1:2.10-3~x+b1"), ("agent<0.2", "agent < 0.2"),
            ("10% of tag:web and os=debian", "10% of (tag:web and os=debian)"),
            ("10% of (tag:web and os=debian)", "10% of (tag:web and os=debian)"),
            ("3 of tag:web", "3 of tag:web"), ("(3 of tag:web) or tag:db", "(3 of tag:web) or tag:db"),
            ("1 of (50% of *)", "1 of (50% of *)"), ("state!=online", "state!=online"),
        ]
    )
    func printed(_ text: String, _ written: String) throws {
        let selection = try Selection(parsing: text)
        #expect(selection.description == written)
        #expect(try Selection(parsing: written) == selection)
    }

    @Test(
        "a mistake names its column and what was expected",
        arguments: [
            ("", 1, "'(', found the end"), ("tag:web and", 12, "'(', found the end"),
            ("tag:web tag:db", 9, "expected 'and', 'or' or the end, found 'tag:db'"),
            ("tag:Web", 1, "after 'tag:' 1 to 63 of a-z"), ("web", 1, "found 'web'"),
            ("group:web", 1, "found 'group:web'"),
            ("(tag:web", 9, "expected 'and', 'or' or ')', found the end"), ("tag:web)", 8, "found ')'"),
            ("os debian", 4, "expected = or !=, found 'debian'"), ("os < 12", 4, "= or != (os has no order)"),
            ("os=", 4, "expected a value, found the end"), ("os=\"\"", 4, "expected a value"),
            ("os=\"debian", 4, "the quotation mark is never closed"),
            ("version tailscale < 1", 9, "expected '(' and the package's name"),
            ("version() < 1", 9, "expected the package's name, found ')'"),
            ("version(a) < one", 14, "expected a Debian version such as 1.98-1, found 'one'"),
            ("version(a) == 1", 13, "expected a version, found '='"),
            ("0% of *", 1, "1% to 100%"), ("101% of *", 1, "1% to 100%"), ("5 tag:web", 3, "expected 'of'"),
            ("1234567890123456789012 of *", 1, "1 to 1000000"),
            ("tag:db and 10% of tag:web", 12, "put parentheses around it"),
            ("tag:web AND tag:db", 9, "'and', 'or' or the end"), ("tag:wéb", 6, "only printable ASCII"),
            ("tag:web\nor *", 8, "only printable ASCII"), ("os=\"a\u{7}\"", 6, "only printable ASCII"),
            ("name:", 1, "after 'name:' a pattern"), ("node:", 1, "after 'node:'"), ("not", 4, "found the end"),
        ]
    )
    func mistakes(_ text: String, _ column: Int, _ reason: String) throws {
        let error = #expect(throws: SelectionSyntaxError.self) { try Selection(parsing: text) }
        #expect(error?.column == column, "\(text): \(error?.description ?? "")")
        #expect(error?.reason.contains(reason) == true, "\(text): \(error?.description ?? "")")
    }

    @Test("length and depth are bounded")
    func bounds() throws {
        let deep = String(repeating: "(", count: 63) + "*" + String(repeating: ")", count: 63)
        #expect(try Selection(parsing: deep) == .every)
        for text in [
            String(repeating: "(", count: 2000) + "*", String(repeating: "not ", count: 1000) + "*",
            String(repeating: "(1 of ", count: 600) + "*",
        ] {
            let error = #expect(throws: SelectionSyntaxError.self) { try Selection(parsing: text) }
            #expect(error?.reason.contains("nested more than 64 deep") == true)
        }
        let wide = Array(repeating: "tag:web", count: 1000).joined(separator: " or ")
        let error = #expect(throws: SelectionSyntaxError.self) { try Selection(parsing: wide) }
        #expect(error?.reason == "it is longer than 4096 bytes")
        #expect(throws: Never.self) { try Selection(parsing: String(wide.prefix(4088))) }
    }

    @Test("whatever can be written down parses to itself: 20,000 random selections")
    func roundTrip() throws {
        var random = SeededGenerator(seed: 5)
        for _ in 0..<20_000 {
            let selection = Self.selection(depth: 4, &random)
            #expect(try Selection(parsing: selection.description) == selection)
        }
    }

    @Test("damaged selectors are refused or parse to what they say, and never crash")
    func fuzz() throws {
        let seeds = [
            "tag:web and not node:db1 and os=debian and version(tailscale) < 1.98",
            "10% of (name:web-* or (3 of arch=amd64)) and not (agent >= 0.2 or state!=\"online\")",
        ]
        for (seed, text) in seeds.enumerated() {
            Mutations.of(Array(text.utf8), seed: UInt64(seed), count: 3000) { bytes in
                guard let selection = try? Selection(parsing: String(decoding: bytes, as: UTF8.self)) else { return }
                #expect((try? Selection(parsing: selection.description)) == selection)
            }
        }
    }

    private static func selection(depth: Int, _ random: inout SeededGenerator) -> Selection {
        let kind = Int.random(in: 0..<(depth == 0 ? 5 : 9), using: &random)
        let name = ["web", "db-1", "a.b", "x9"].randomElement(using: &random) ?? "web"
        switch kind {
        case 0: return .every
        case 1: return Tag(name).map { .tag($0) } ?? .every
        case 2: return .node(name)
        case 3: return GlobPattern("*\(name)?").map { .name($0) } ?? .every
        case 4: return (try? Selection(parsing: "version(\(name)) != 1.0~\(name)")) ?? .every
        case 5: return .not(selection(depth: depth - 1, &random))
        case 8:
            let quotas: [Selection.Quota] = [.percent(10), .percent(100), .count(1), .count(999)]
            return .quota(quotas.randomElement(using: &random) ?? .count(1), selection(depth: depth - 1, &random))
        default:
            let parts = (0..<Int.random(in: 2...4, using: &random)).map { _ in selection(depth: depth - 1, &random) }
            return kind == 6 ? .all(parts) : .any(parts)
        }
    }
}
