import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterTestSupport
import Testing

/// `muster ssh list`.
@Suite
struct SSHListTests {
    private func fleet(
        _ issued: [SSHIssuedRecord],
        _ body: (Workshop, Person) async throws -> Void
    ) async throws {
        try await Workshop.sshFleet { workshop, ada in
            let node = try Workshop.node("web1")
            workshop.service.with {
                $0.nodes = [node]
                $0.ssh.issued = issued
            }
            try await body(workshop, ada)
        }
    }

    private static func history() throws -> [SSHIssuedRecord] {
        [
            try Workshop.issued(7, at: -300, until: -240), try Workshop.issued(8, .host, origin: "web1"),
            try Workshop.issued(16, at: -90, until: 30, revoked: -3), try Workshop.issued(17),
        ]
    }

    @Test("certificates that are good now stand in a table: to whom, for what, from where, until when")
    func goodNow() async throws {
        try await fleet(try Self.history()) { workshop, ada in
            let outcome = await ada.muster("ssh", "list")
            #expect(outcome.status == 0 && outcome.errors.isEmpty)
            #expect(
                outcome.output == """
                    SERIAL  FOR  ACCOUNT  ON    FROM    ISSUED     UNTIL                 STATE
                    17      ada  root     web1  laptop  5 min ago  2030-03-17T18:41:40Z  good for 55 min

                    """
            )
            #expect(workshop.service.with { $0.ssh.queries } == ["after=0&valid=1"])
        }
    }

    @Test("--all and --hosts show what is over, revoked, or a host's, each in words")
    func everything() async throws {
        try await fleet(try Self.history()) { _, ada in
            let outcome = await ada.muster("ssh", "list", "--all", "--hosts")
            #expect(outcome.status == 0)
            #expect(
                outcome.output == """
                    SERIAL  FOR   ACCOUNT           ON    FROM    ISSUED      UNTIL                 STATE
                    7       ada   root              web1  laptop  5 h ago     2030-03-17T13:46:40Z  over
                    8       host  web1, 100.64.0.9        web1    5 min ago   2030-03-17T18:41:40Z  good for 55 min
                    16      ada   root              web1  laptop  90 min ago  2030-03-17T18:16:40Z  revoked 3 min ago
                    17      ada   root              web1  laptop  5 min ago   2030-03-17T18:41:40Z  good for 55 min

                    """
            )
        }
    }

    @Test("--json gives each certificate whole, and an empty list where there is none")
    func json() async throws {
        try await fleet([try Workshop.issued(17)]) { workshop, ada in
            let expected: JSONValue = [
                "items": [
                    [
                        "serial": 17, "kind": "user", "key_id": "ada/laptop/17", "operator": "ada", "node": .null,
                        "origin": "laptop", "principals": ["root"], "targets": ["node:node-web1"],
                        "issued": 1_899_999_700_000, "valid_after": 1_899_999_640_000,
                        "valid_before": 1_900_003_300_000, "fingerprint": "SHA256:key", "authority": "SHA256:ca",
                        "statement": .null, "revoked": .null,
                    ]
                ]
            ]
            let shown = try await ada.muster("ssh", "list", "--json").json
            #expect(shown == expected)
            workshop.service.with { $0.ssh.issued = [] }
            let none = await ada.muster("ssh", "list", "--json")
            #expect(try none.json == ["items": []])
            #expect(none.errors.isEmpty)
        }
    }

    @Test("no certificate, and no request, is a remark and no failure")
    func empty() async throws {
        try await fleet([]) { _, ada in
            let none = await ada.muster("ssh", "list")
            #expect(none.status == 0 && none.output.isEmpty)
            #expect(none.errors == "no certificates that are good now; --all shows the others\n")
            #expect(await ada.muster("ssh", "list", "--all").errors == "no certificates\n")
            #expect(await ada.muster("ssh", "list", "--waiting").errors == "no request waits\n")
        }
    }

    @Test("a list of more than a page is fetched to its end")
    func pages() async throws {
        try await fleet(try (1...2001).map { try Workshop.issued($0) }) { workshop, ada in
            let items = try await ada.muster("ssh", "list", "--json").json["items"]?.elements ?? []
            #expect(items.count == 2001 && items.last?["serial"]?.number == 2001)
            #expect(
                workshop.service.with { $0.ssh.queries } == [
                    "after=0&valid=1", "after=1000&valid=1", "after=2000&valid=1",
                ]
            )
        }
    }

    @Test("the service is asked for one operator's, and one node's by its name")
    func chosen() async throws {
        try await fleet([]) { workshop, ada in
            await ada.muster("ssh", "list", "--operator", "ben", "--node", "web1", "--all")
            #expect(workshop.service.with { $0.ssh.queries } == ["after=0&operator=ben&node=node-web1"])
            let unknown = await ada.muster("ssh", "list", "--node", "web9")
            #expect(unknown.status == 1)
            #expect(unknown.errors == "muster: there is no node 'web9': see 'muster node list'\n")
            #expect(await ada.muster("ssh", "list", "--operator", "b n").status == 2)
            #expect(await ada.muster("ssh", "list", "surplus").status == 2)
        }
    }

    @Test("what others call themselves never steers the terminal")
    func hostile() async throws {
        try await fleet([try Workshop.issued(17, origin: "lap\u{1B}[2Jtop\n18")]) { _, ada in
            let output = await ada.muster("ssh", "list").output
            #expect(output.contains("lap?[2Jtop?18") && output.split(separator: "\n").count == 2)
        }
    }

    @Test("requests that wait are shown with whom they wait for")
    func waiting() async throws {
        try await fleet([]) { workshop, ada in
            let record = try workshop.waiting()
            workshop.service.with { $0.ssh.waiting = [record] }
            let outcome = await ada.muster("ssh", "list", "--waiting")
            #expect(
                outcome.output == """
                    REQUEST   BY   ACCOUNT  ON              FROM  ASKED      WAITS FOR
                    10000000  ben  deploy   node:node-web1  desk  2 min ago  1 of ada

                    """
            )
            #expect(
                outcome.errors == "next: muster ssh approve REQUEST, or muster ssh deny REQUEST --reason TEXT\n"
            )
            #expect(try await ada.muster("ssh", "list", "--waiting", "--json").json["items"]?.elements == [record.json])
        }
    }
}
