import ByteCoding
import Glibc
import MusterTestSupport
import Testing

@testable import Tailnet

extension TailnetIdentityTests {
    @Suite("A tailnet in a file")
    struct StaticTailnetTests {
        private static let first = #"""
            {"self": {"id": "me", "name": "muster.lan", "addresses": ["10.0.0.1"]},
             "nodes": [{"id": "n1", "name": "web-1", "addresses": ["10.0.0.2", "fd00::2"], "key": "k1", "login": "ada@lan",
                        "key_expires": "2027-01-01T00:00:00Z"},
                       {"id": "n2", "addresses": ["10.0.0.3"], "tags": ["tag:db"], "login": "ada@lan"}]}
            """#

        @Test("Nodes are known by any of their addresses, this machine by its own, and nobody else")
        func reading() async throws {
            let folder = try TemporaryFolder()
            let source = StaticTailnet(file: try folder.write("tailnet.json", Self.first.utf8))
            #expect(try await source.whois("10.0.0.2")?.id == "n1")
            #expect(try await source.whois("fd00:0::2")?.login == "ada@lan")
            #expect(try await source.whois("10.0.0.2")?.keyExpires == UTCTime("2027-01-01T00:00:00Z"))
            #expect(try await source.whois("10.0.0.3")?.login == nil, "a tagged node has no user")
            #expect(try await source.whois("10.0.0.1")?.id == "me")
            #expect(try await source.whois("10.0.0.9") == nil)
            #expect(try await source.own().name == "muster.lan")
            #expect(try await source.identities().map(\.id) == ["n1", "n2"])
        }

        @Test("A changed file counts at once; a broken or missing one knows nobody, not whom it knew before")
        func changes() async throws {
            let folder = try TemporaryFolder()
            let source = StaticTailnet(file: try folder.write("tailnet.json", Self.first.utf8))
            #expect(try await source.whois("10.0.0.2")?.key == "k1")
            try folder.write("tailnet.json", Self.first.replacing("\"k1\"", with: "\"k2\"").utf8)
            #expect(try await source.whois("10.0.0.2")?.key == "k2")
            try folder.write("tailnet.json", "{".utf8)
            await #expect(throws: TailnetError.self) { try await source.whois("10.0.0.2") }
            unlink(folder.file("tailnet.json"))
            await #expect(throws: TailnetError.self) { try await source.whois("10.0.0.2") }
            await #expect(throws: TailnetError.self) { try await source.own() }
            try folder.write("tailnet.json", Self.first.utf8)
            #expect(try await source.whois("10.0.0.2")?.key == "k1")
        }

        @Test("A file that others may write is believed by nobody")
        func writable() async throws {
            let folder = try TemporaryFolder()
            let file = try folder.write("tailnet.json", Self.first.utf8)
            for mode in [0o664, 0o646] as [UInt32] {
                #expect(chmod(file, mode) == 0)
                await #expect(throws: TailnetError.self) { try await StaticTailnet(file: file).whois("10.0.0.2") }
            }
            #expect(chmod(file, 0o600) == 0)
            #expect(try await StaticTailnet(file: file).whois("10.0.0.2")?.id == "n1")
        }

        @Test("An address of two nodes, an id that is an address, and what is no address are refused")
        func refused() async throws {
            let folder = try TemporaryFolder()
            for nodes in [
                #"{"id": "a", "addresses": ["10.0.0.2"]}, {"id": "b", "addresses": ["10.0.0.2"]}"#,
                #"{"id": "a", "addresses": ["::ffff:10.0.0.2"]}, {"id": "b", "addresses": ["10.0.0.2"]}"#,
                #"{"id": "address:10.0.0.2", "addresses": ["10.0.0.3"]}"#, #"{"id": "", "addresses": []}"#,
                #"{"id": "a", "addresses": ["web.lan"]}"#, #"{"addresses": ["10.0.0.2"]}"#,
            ] {
                let file = try folder.write("tailnet.json", "{\"nodes\": [\(nodes)]}".utf8)
                await #expect(throws: TailnetError.self, "\(nodes)") {
                    try await StaticTailnet(file: file).whois("10.0.0.9")
                }
            }
        }
    }
}
