import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import Testing

@testable import MusterCommands

/// What of the service's words about hosts reaches ssh.
@Suite
struct HostBookTests {
    private static let attacks = [
        "$(id>/tmp/x)", "`id`", "100.64.0.9;id", "100.64.0.9 -oProxyCommand=id", "-oProxyCommand=id",
        "100.64.0.9\nid", "100.64.0.0/10", "100.64.0.9/32", "fd7a::9%eth0", "fd7a::9%$(id)", "evil.example.org", "%h",
        "127.1", "0x7f000001",
    ]

    private func record(
        _ name: String = "web1",
        id: String = "node-web1",
        address: String = "100.64.0.9",
        tailnet: TailnetRecord? = nil
    ) throws -> NodeRecord {
        NodeRecord(
            id: try NodeID(parsing: id),
            name: name,
            tags: [],
            address: address,
            enrolled: Workshop.moment(-1000),
            lastSeen: Workshop.moment(0),
            state: "online",
            report: nil,
            packages: [],
            tailnet: tailnet
        )
    }

    @Test("attack: an address that a shell would run, or that is none, reaches no ssh", arguments: attacks)
    func address(_ text: String) throws {
        let host = HostBook.Host(try record(address: text))
        #expect(host.address == nil && !host.names.contains(text))
        let tailnet = TailnetRecord(id: "n1", name: "web1.tail1234.ts.net", addresses: [text, "FD7A::9"])
        let other = HostBook.Host(try record(address: text, tailnet: tailnet))
        #expect(other.address?.text == "fd7a::9" && !other.names.contains(text))
        // What an older program kept, or somebody wrote there.
        let kept: JSONValue = ["node": "node-web1", "name": "web1", "address": .string(text), "names": ["web1"]]
        #expect(throws: JSONError.self) { try HostBook.Host(JSONFields(kept)) }
        let named: JSONValue = ["node": "node-web1", "name": .string(text + " "), "address": "", "names": []]
        #expect(throws: JSONError.self) { try HostBook.Host(JSONFields(named)) }
    }

    @Test("a host is kept and read again as it was")
    func keptAndRead() throws {
        let tailnet = TailnetRecord(id: "n1", name: "Web1.tail1234.ts.net.", addresses: ["100.64.0.9", "fd7a:0::9"])
        let host = HostBook.Host(try record("WEB1", tailnet: tailnet))
        #expect(host.name == "web1.tail1234.ts.net" && host.address?.text == "100.64.0.9")
        #expect(host.names == ["node-web1", "web1", "web1.tail1234.ts.net", "100.64.0.9", "fd7a::9"])
        #expect(try HostBook.Host(JSONFields(host.json)) == host)
        let without = HostBook.Host(try record(address: ""))
        #expect(without.address == nil && without.name == "web1")
        #expect(try HostBook.Host(JSONFields(without.json)) == without)
    }

    @Test("attack: no certificate is asked for where the service says another node for a name than before")
    func exchangedNode() async throws {
        try await Workshop.sshFleet { workshop, ada in
            func ask(_ more: String..., host: String = "web1") async -> String {
                await ada.muster(["ssh", "certificate", "--user", "root", "--for", host] + more).errors
            }
            func asked() -> Int {
                workshop.service.with { $0.requests.filter { $0 == "POST /v1/ssh/certificates" }.count }
            }
            let (first, other) = (try record(), try record(id: "node-other"))
            workshop.service.with { $0.nodes = [first] }
            #expect(await ask().contains("first seen: web1 is node-web1\n"))
            #expect(await !ask().contains("first seen"))
            #expect(asked() == 2)
            workshop.service.with { $0.nodes = [other] }
            for more in [[], ["--quiet"]] as [[String]] {
                let refused = await ada.muster(["ssh", "certificate", "--user", "root", "--for", "WEB1"] + more)
                #expect(refused.status == 1, "\(refused.all)")
                #expect(refused.errors.contains("'web1' is node-other now, but it was node-web1. Either"))
                #expect(refused.errors.contains("muster ssh --accept-node web1 web1"), "\(refused.all)")
            }
            #expect(await ask("--accept-node", "web2").contains("the host is called 'web1' here"))
            #expect(asked() == 2)
            #expect(await !ask("--accept-node", "web1").contains("but it was"))
            #expect(await !ask().contains("but it was"))
            #expect(asked() == 4)

            let named = try record("node-0123456789abcdef", id: "node-other")
            workshop.service.with { $0.nodes = [named] }
            #expect(await ask(host: "node-0123456789abcdef").contains("which is an id and no name"))
            #expect(asked() == 4)
        }
    }

    /// Puts a certificate there that root@web1 got for node-web1, good for an hour.
    private func certify(_ workshop: Workshop, _ ada: Person) throws {
        var certificate = TestCertificate(try TestKey("ephemeral").ssh, time: FakeService.time)
        certificate.principals = ["root"]
        certificate.carry(try workshop.waiting(user: "root").statement)
        let root = try #require(AccountName("root"))
        let place = LoginPlace(root, try #require(HostName("web1")), ada.folder)
        try Directory.create(place.folder)
        try AtomicFile.write(Array((try certificate.signed.line + "\n").utf8), to: place.certificateFile)
        try AtomicFile.write([1], to: place.keyFile)
    }

    @Test("a kept host that is another node than the name means, or where another is accepted, is asked for anew")
    func oldBook() async throws {
        try await Workshop.sshFleet { workshop, ada in
            func ask(_ more: String...) async -> Person.Outcome {
                await ada.muster(["ssh", "certificate", "--user", "root", "--for", "web1"] + more)
            }
            func asked() -> Int {
                workshop.service.with { $0.requests.filter { $0 == "POST /v1/ssh/certificates" }.count }
            }
            let (dead, anew) = (try record(), try record(id: "node-anew"))
            workshop.service.with { $0.nodes = [dead] }
            #expect(await ask().errors.contains("first seen: web1 is node-web1\n"))
            let book = try BoundedFile.read(ada.folder.hostsFile, limit: HostBook.byteLimit)
            try certify(workshop, ada)
            let kept = await ask()
            #expect(kept.status == 0 && asked() == 1, "\(kept.all)")

            // The machine is enrolled anew, and the person says so.
            workshop.service.with { $0.nodes = [anew] }
            _ = await ask("--accept-node", "web1")
            #expect(asked() == 2)
            #expect(try KnownNodes(ada.folder).hosts["web1"] == anew.id)

            // The book of before, as another machine or an earlier moment left it.
            for words in [["certificate", "--user", "root", "--for", "web1"], ["connect", "-l", "root", "web1"]] {
                try AtomicFile.write(book, to: ada.folder.hostsFile)
                let before = asked()
                let outcome = await ada.muster(["ssh"] + words)
                #expect(!outcome.errors.contains("but it was"), "\(outcome.all)")
                #expect(asked() == before + 1, "\(outcome.all)")
            }
            #expect(try KnownNodes(ada.folder).hosts["web1"] == anew.id)
        }
    }

    @Test("attack: a node called 'db.' is not what somebody means by db")
    func lastDot() throws {
        let host = HostBook.Host(try record("db."))
        #expect(!host.names.contains("db") && !host.names.contains("db."))
        let book = HostBook(hosts: [host], read: Workshop.moment(0))
        #expect(try book.find(try #require(HostName("db."))) == nil)
    }
}
