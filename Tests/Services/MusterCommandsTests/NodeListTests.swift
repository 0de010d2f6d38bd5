import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterCommands
import MusterModel
import MusterTestSupport
import Testing

/// What operators see of nodes, their keys and their tailnet.
@Suite
struct NodeListTests {
    private static let day: Int64 = 86400

    private static func time(_ days: Double) -> UTCTime {
        FakeService.time.adding(seconds: Int64(days * 86400))
    }

    private func node(
        _ name: String,
        expires: Double? = 170,
        exempt: Bool = false,
        extended: Double? = nil,
        seen: Double? = -0.0001,
        state: String = "online",
        tailnet: TailnetRecord? = nil
    ) throws -> NodeRecord {
        NodeRecord(
            id: try #require(NodeID("node-" + name)),
            name: name,
            tags: [try #require(Tag("web"))],
            address: "100.64.0.9",
            enrolled: Self.time(-30),
            lastSeen: seen.map(Self.time),
            state: state,
            report: nil,
            packages: [],
            key: NodeKeyRecord(
                since: Self.time(-10),
                expires: exempt ? nil : expires.map(Self.time),
                isExempt: exempt,
                extendedUntil: extended.map(Self.time),
                state: "current"
            ),
            tailnet: tailnet
        )
    }

    private func tailnet(
        _ name: String,
        expires: Double? = nil,
        handshake: Double? = nil,
        online: Bool? = nil
    ) -> TailnetRecord {
        TailnetRecord(
            id: "n" + name,
            name: name + ".tail1234.ts.net",
            addresses: ["100.64.0.9", "fd7a:115c:a1e0::9"],
            tags: ["tag:web"],
            key: "nodekey:ab",
            keyExpires: expires.map(Self.time),
            keySince: Self.time(-40),
            lastHandshake: handshake.map(Self.time),
            isOnline: online
        )
    }

    private func line(_ name: String, _ output: String) -> String {
        output.split(separator: "\n").first { $0.hasPrefix(name + " ") }.map(String.init) ?? ""
    }

    @Test("a node's tailnet name, address, key age and expiry, and its last handshake or contact stand in one line")
    func columns() async throws {
        try await Workshop.fleet { workshop, ada in
            let nodes = [
                try node("web1", tailnet: tailnet("web1")),
                try node("web2", seen: -5, state: "offline", tailnet: tailnet("web2", handshake: -0.001)),
                try node("web3", seen: nil, state: "new", tailnet: tailnet("web3", online: true)),
            ]
            workshop.service.with { $0.nodes = nodes }
            let output = await ada.muster("node", "list").output
            #expect(
                output.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") } == [
                    "NAME TAGS TAILNET ADDRESS KEY AGE EXPIRES SEEN STATE",
                    "web1 web web1.tail1234.ts.net 100.64.0.9 10 d 170 d 8 s ago online",
                    "web2 web web2.tail1234.ts.net 100.64.0.9 10 d 170 d 5 d ago (handshake 86 s ago) offline",
                    "web3 web web3.tail1234.ts.net 100.64.0.9 10 d 170 d never (on the tailnet now) new",
                ],
                "\(output)"
            )
        }
    }

    @Test("an expiry is quiet far away and louder at 7 and 1 days; the more urgent key is the one shown")
    func loudness() async throws {
        try await Workshop.fleet { workshop, _ in
            let ada = try await workshop.person("ada2", kind: .init(showsColors: true))
            let fleet = workshop.service.with { $0.fleet?.text ?? "" }
            workshop.service.with { $0.recognised = "ada" }
            await ada.muster("fleet", "join", "--service", workshop.address, "--fleet", fleet)
            let nodes = [
                try node("n1"), try node("n2", tailnet: tailnet("n2", expires: 20)),
                try node("n3", tailnet: tailnet("n3", expires: 6)), try node("n4", expires: 0.5),
                try node("n5", expires: -3), try node("n6", exempt: true), try node("n7", expires: -3, extended: 0.01),
                try node("n8", expires: 5, tailnet: tailnet("n8", expires: 20)),
            ]
            workshop.service.with { $0.nodes = nodes }
            let output = await ada.muster("node", "list").output
            func shows(_ name: String, _ text: String) {
                let line = output.split(separator: "\n").first { $0.contains(name + "\u{1B}[0m") } ?? ""
                #expect(line.contains(text), "\(name): \(line.debugDescription)")
            }
            shows("n1", "\u{1B}[2m170 d\u{1B}[0m")
            shows("n2", " tailnet 20 d")
            shows("n3", "\u{1B}[33mtailnet 6 d\u{1B}[0m")
            shows("n4", "\u{1B}[1;31m12 h\u{1B}[0m")
            shows("n5", "\u{1B}[1;31mexpired 3 d ago\u{1B}[0m")
            shows("n6", "\u{1B}[2mexempt\u{1B}[0m")
            shows("n7", "\u{1B}[1;31mextended 14 min\u{1B}[0m")
            shows("n8", " tailnet 20 d")
        }
    }

    @Test("nodes are sorted by what expires first, and chosen by how soon")
    func sorting() async throws {
        try await Workshop.fleet { workshop, ada in
            let nodes = [
                try node("a", exempt: true), try node("b", expires: 100),
                try node("c", tailnet: tailnet("c", expires: 6)), try node("d", expires: -1),
            ]
            workshop.service.with { $0.nodes = nodes }
            func names(_ arguments: String...) async throws -> [String] {
                let output = await ada.muster(["node", "list", "--json"] + arguments).output
                let json = try JSONValue.parse(Array(output.utf8), limit: 1 << 20)
                return (json["items"]?.elements ?? []).compactMap { $0["name"]?.text }
            }
            #expect(try await names("--sort", "expiry") == ["d", "c", "b", "a"])
            #expect(try await names("--expires-within", "7") == ["c", "d"])
            #expect(try await names("--expires-within", "100") == ["b", "c", "d"])
            #expect(await ada.muster("node", "list", "--expires-within", "-1").status == 2)
        }
    }

    @Test("nothing is shown of a tailnet or of keys where the service tells nothing")
    func oldService() async throws {
        try await Workshop.fleet { workshop, ada in
            var old = try node("web1")
            old.key = nil
            let record = old
            workshop.service.with { $0.nodes = [record] }
            let output = await ada.muster("node", "list").output
            #expect(output.split(separator: "\n").first == "NAME  TAGS  ADDRESS     SEEN     STATE")
            #expect(await ada.muster("node", "show", "web1").status == 0)
        }
    }

    @Test("everything of one node's keys and tailnet is shown, and the tailnet's tags as unsigned")
    func show() async throws {
        try await Workshop.fleet { workshop, ada in
            let record = try node(
                "web1",
                expires: 5,
                tailnet: tailnet("web1\u{1B}[2J", expires: 20, handshake: -0.001)
            )
            workshop.service.with { $0.nodes = [record] }
            let output = await ada.muster("node", "show", "web1").output
            for text in [
                "node key      10 d old, expires in 5 d (2030-03-22T17:46:40Z)",
                "tailnet       web1?[2J.tail1234.ts.net",
                "addresses     100.64.0.9, fd7a:115c:a1e0::9", "tailnet tags  tag:web (not signed)",
                "tailnet key   nodekey:ab since 2030-02-05T17:46:40Z, 20 d (2030-04-06T17:46:40Z)",
                "handshake     86 s ago",
            ] {
                #expect(output.contains(text), "\(text) in \(output)")
            }
            #expect(!output.contains("\u{1B}"))
        }
    }
}
