import ByteCoding
import MusterModel
import MusterSelection
import MusterTestSupport
import Testing

/// Which nodes a selection comes to.
@Suite
struct SelectionResolvingTests {
    private static let time = UTCTime(seconds: 1_900_000_000)

    private func node(
        _ name: String,
        _ tags: [String],
        os: String = "Debian GNU/Linux 12 (bookworm)",
        arch: String = "amd64",
        packages: [String: String] = ["tailscale": "1.90.2"],
        state: String = "online",
        seen: Int64? = 30,
        reported: Bool = true
    ) throws -> SelectableNode {
        SelectableNode(
            id: try #require(NodeID("id-" + name)),
            name: name,
            tags: Set(tags.compactMap { Tag($0) }),
            state: state,
            lastSeen: seen.map { Self.time.adding(seconds: -$0) },
            report: reported
                ? SelectableNode.Report(os: os, architecture: arch, agent: "0.1.0", packages: packages) : nil
        )
    }

    private func fleet() throws -> [SelectableNode] {
        [
            try node("web-2", ["web"]), try node("web-1", ["web", "canary"], packages: ["tailscale": "1.98.0-1"]),
            try node("web-3", ["web"], os: "Ubuntu 24.04.1 LTS", arch: "arm64"), try node("db1", ["db"]),
            try node("new1", ["web"], state: "new", seen: nil, reported: false),
            try node("old1", ["web"], state: "offline", seen: 3 * 86400),
            try node("bare1", ["db"], packages: [:]),
        ]
    }

    private func names(_ text: String) throws -> [String] {
        try Selection(parsing: text).resolve(try fleet(), at: Self.time).nodes.map(\.name)
    }

    @Test(
        "each part of the language selects what it says, in the order of names",
        arguments: [
            ("*", "bare1 db1 new1 old1 web-1 web-2 web-3"), ("tag:web", "new1 old1 web-1 web-2 web-3"),
            ("tag:web and not node:web-2", "new1 old1 web-1 web-3"), ("node:id-db1", "db1"),
            ("tag:db or tag:canary", "bare1 db1 web-1"), ("name:web-*", "web-1 web-2 web-3"),
            ("name:*1", "bare1 db1 new1 old1 web-1"), ("name:?b1", "db1"), ("os=ubuntu", "web-3"),
            ("os=\"debian 12\"", "bare1 db1 web-1 web-2"), ("os=Bookworm", "bare1 db1 web-1 web-2"),
            ("os=24.04*", "web-3"), ("arch!=amd64", "web-3"), ("agent >= 0.1.0", "bare1 db1 web-1 web-2 web-3"),
            ("state=offline", "old1"), ("version(tailscale) < 1.98", "db1 web-2 web-3"),
            ("version(tailscale) >= 1.98", "web-1"), ("version(tailscale) = 0:1.98.0-1", "web-1"),
            ("tag:web and not node:db1 and os=debian and version(tailscale) < 1.98", "web-2"),
            ("2 of tag:web", "new1 old1"), ("2 of (tag:web and state=online)", "web-1 web-2"),
            ("10% of *", "bare1"), ("50% of name:web-*", "web-1 web-2"), ("100% of tag:db", "bare1 db1"),
            ("9 of tag:db", "bare1 db1"), ("(1 of tag:web) or (1 of tag:db)", "bare1 new1"),
            ("tag:db and not (1 of tag:db)", "db1"), ("tag:db and tag:web", ""),
        ]
    )
    func selects(_ text: String, _ expected: String) throws {
        #expect(try names(text).joined(separator: " ") == expected, "\(text)")
    }

    @Test("the order in which nodes are listed changes nothing")
    func order() throws {
        var random = SeededGenerator(seed: 3)
        let selection = try Selection(parsing: "40% of (tag:web or os=debian) and not state=new")
        let first = try selection.resolve(try fleet(), at: Self.time)
        for _ in 0..<50 {
            let nodes = try fleet().shuffled(using: &random)
            #expect(try selection.resolve(nodes, at: Self.time) == first)
        }
    }

    @Test("a node of which nothing recent is known is neither meant nor not meant, and said to be left out")
    func unknown() throws {
        for text in ["os=debian", "not os=debian", "os!=debian", "version(tailscale) < 9 or version(tailscale) >= 9"] {
            let result = try Selection(parsing: text).resolve(try fleet(), at: Self.time)
            let undecided = result.undecided.map(\.node.name)
            #expect(undecided.contains("new1") && undecided.contains("old1"), "\(text)")
            #expect(!result.nodes.contains { ["new1", "old1"].contains($0.name) }, "\(text)")
        }
        let result = try Selection(parsing: "version(tailscale) < 2").resolve(try fleet(), at: Self.time)
        #expect(
            result.undecided.map { "\($0.node.name): \($0.reason)" } == [
                "bare1: version(tailscale) is unknown: it does not report it",
                "new1: version(tailscale) is unknown: it never reported",
                "old1: version(tailscale) is unknown: last seen 3 d ago",
            ]
        )
        // What is known decides where it can.
        #expect(try names("tag:web and not node:web-1 or os=debian").contains("new1"))
        let certain = try Selection(parsing: "tag:db and os=debian").resolve(try fleet(), at: Self.time)
        #expect(certain.undecided.isEmpty)
    }

    @Test(
        "what no node has is a mistake, also behind 'not', where it would select everything",
        arguments: [
            ("not tag:datbase", "no node has the tag 'datbase'"), ("* and not node:db2", "there is no node 'db2'"),
            ("not name:dbx*", "no node's name is like 'dbx*'"),
            ("not version(tailscaled) < 2", "no node reports a package 'tailscaled'"),
            ("tag:web or tag:nothing", "no node has the tag 'nothing'"),
        ]
    )
    func mistakes(_ text: String, _ reason: String) throws {
        let error = #expect(throws: SelectionMistake.self) { try names(text) }
        #expect(error?.description == reason)
    }

    @Test("more than there are is all, and said")
    func remark() throws {
        let result = try Selection(parsing: "9 of tag:db").resolve(try fleet(), at: Self.time)
        #expect(result.remarks == ["'9 of tag:db': there are only 2"])
    }

    @Test("a name that is another node's id means the node with the id")
    func idBeforeName() throws {
        let nodes = try fleet() + [try node("id-db1", ["web"])]
        #expect(try Selection(parsing: "node:id-db1").resolve(nodes, at: Self.time).nodes.map(\.name) == ["db1"])
    }

    @Test(
        "globs match like a shell's, in bounded time",
        arguments: [
            ("*", "", true), ("web-*", "web-1", true), ("web-*", "web", false), ("*-*-*", "a-b", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXbYcZ", false), ("?", "", false), ("??", "ab", true), ("**", "x", true), ("a", "ab", false),
        ]
    )
    func globs(_ pattern: String, _ name: String, _ fits: Bool) throws {
        #expect(try #require(GlobPattern(pattern)).matches(name) == fits)
        let hostile = try #require(GlobPattern(String(repeating: "*a", count: 500) + "b"))
        #expect(!hostile.matches(String(repeating: "a", count: 2000)))
    }
}
