import ByteCoding
import CanonicalJSON
import Synchronization
import Testing

@testable import Tailnet

extension TailnetIdentityTests {
    @Suite("WireGuard's peers")
    struct WireGuardTests {
        private static func key(_ number: UInt8) -> String { Base64.encode([UInt8](repeating: number, count: 32)) }

        private static func source(
            _ allowed: String,
            handshakes: String = "",
            names: [String: String] = [:]
        ) -> WireGuardSource {
            let tool: WireGuardSource.Tool = { arguments throws(TailnetError) in
                switch arguments {
                case ["show", "lo", "allowed-ips"]: return allowed
                case ["show", "lo", "latest-handshakes"]: return handshakes
                case ["show", "lo", "public-key"]: return key(9) + "\n"
                default: throw TailnetError("nobody may ask for \(arguments)")
                }
            }
            return WireGuardSource(interface: "lo", names: { names }, tool: tool)
        }

        private static let allowed = """
            \(key(1))\t10.9.0.2/32 fd00::2/128
            \(key(2))\t10.9.0.3/32 10.9.0.0/24 192.168.7.0/24
            \(key(3))\t(none)
            \(key(4))\t10.0.0.0/8

            """

        @Test("An address that is given to one peer alone is that peer; its key is its id")
        func single() async throws {
            let source = Self.source(Self.allowed)
            #expect(try await source.whois("10.9.0.2")?.id == "wireguard-key:" + Self.key(1))
            #expect(try await source.whois("10.9.0.2")?.key == Self.key(1))
            #expect(try await source.whois("fd00:0::2")?.addresses == ["10.9.0.2", "fd00::2"])
            #expect(try await source.whois("10.9.0.3")?.key == Self.key(2))
        }

        @Test("An address that is only within some peer's network is nobody: many machines can be behind it")
        func networks() async throws {
            let source = Self.source(Self.allowed)
            for address in ["10.9.0.4", "192.168.7.7", "10.1.2.3", "172.16.0.1", "fd00::3", ""] {
                #expect(try await source.whois(address) == nil, "\(address)")
            }
        }

        @Test("Its own address is this machine itself")
        func own() async throws {
            let source = Self.source(Self.allowed)
            #expect(try await source.own().addresses.contains("127.0.0.1"))
            #expect(try await source.whois("127.0.0.1")?.key == Self.key(9))
        }

        @Test("Everybody with an address is listed with the last handshake; 0 is never")
        func everybody() async throws {
            let source = Self.source(Self.allowed, handshakes: "\(Self.key(1))\t1754000000\n\(Self.key(2))\t0\n")
            let everybody = try await source.identities()
            #expect(everybody.map(\.key) == [Self.key(1), Self.key(2)])
            #expect(everybody.map(\.lastHandshake) == [UTCTime(seconds: 1_754_000_000), nil])
        }

        @Test("A peer that the names file names is known by that name, whatever its key")
        func names() async throws {
            let named = Self.source(Self.allowed, names: [Self.key(1): "web-1"])
            let identity = try await named.whois("10.9.0.2")
            #expect(identity?.id == "wireguard:web-1")
            #expect(identity?.name == "web-1")
            #expect(try await named.whois("10.9.0.3")?.id == "wireguard-key:" + Self.key(2))
        }

        @Test("What wg prints is believed only whole")
        func malformed() async {
            for text in ["nonsense\n", "\(Self.key(1))\t10.9.0.2/33\n", "short=\t10.9.0.2/32\n", "\t10.0.0.1/32\n"] {
                await #expect(throws: TailnetError.self, "\(text)") { try await Self.source(text).whois("10.9.0.2") }
            }
            let handshakes = Self.source(Self.allowed, handshakes: "\(Self.key(1))\tnever\n")
            await #expect(throws: TailnetError.self) { try await handshakes.identities() }
        }

        @Test("An interface that does not exist is an error that says so")
        func missing() async {
            let source = WireGuardSource(interface: "nonesuch0")
            await #expect(throws: TailnetError.self) { try await source.whois("10.9.0.2") }
            await #expect(throws: TailnetError.self) { try await source.own() }
        }

        @Test("The private key is never asked for")
        func privateKey() async throws {
            let asked = Mutex([[String]]())
            let tool: WireGuardSource.Tool = { arguments throws(TailnetError) in
                asked.withLock { $0.append(arguments) }
                return arguments.last == "public-key" ? Self.key(9) : ""
            }
            let source = WireGuardSource(interface: "lo", names: { [:] }, tool: tool)
            _ = try await source.whois("10.9.0.2")
            _ = try await source.identities()
            #expect(asked.withLock { $0 }.allSatisfy { !$0.contains("dump") && !$0.contains("private-key") })
        }

        @Test("Prefixes contain what they should, at every boundary")
        func prefixes() throws {
            func contains(_ prefix: String, _ address: String) throws -> Bool {
                try #require(IPPrefix(prefix)).contains(try #require(IPAddress(address)))
            }
            #expect(try contains("10.9.0.0/16", "10.9.255.255"))
            #expect(try !contains("10.9.0.0/16", "10.10.0.0"))
            #expect(try contains("10.9.128.0/17", "10.9.128.1"))
            #expect(try !contains("10.9.128.0/17", "10.9.127.255"))
            #expect(try contains("0.0.0.0/0", "1.2.3.4"))
            #expect(try !contains("0.0.0.0/0", "::1"))
            #expect(try contains("fd00::/7", "fc00::1"))
            for text in ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "x/8", "10.0.0.0/8/8"] {
                #expect(IPPrefix(text) == nil, "\(text)")
            }
            #expect(IPAddress("::ffff:10.0.0.1") == IPAddress("10.0.0.1"))
        }

        @Test("A names file with a key or a name twice, a foreign type or no version is refused")
        func namesFile() throws {
            func parse(_ peers: String, type: String = "tailnet-names", version: String = "3") throws -> WireGuardNames
            {
                let text = "{\"_type\": \"\(type)\", \"version\": \(version), \"peers\": [\(peers)]}"
                return try WireGuardNames(parsing: Array(text.utf8))
            }
            func peer(_ name: String, _ key: String) -> String { "{\"name\": \"\(name)\", \"key\": \"\(key)\"}" }
            let good = try parse(peer("web-1", Self.key(1)) + "," + peer("web-2", Self.key(2)))
            #expect(good.names == [Self.key(1): "web-1", Self.key(2): "web-2"])
            #expect(good.version == 3)
            for bad in [
                peer("a", Self.key(1)) + "," + peer("a", Self.key(2)),
                peer("a", Self.key(1)) + "," + peer("b", Self.key(1)),
                peer("", Self.key(1)), peer("a/b", Self.key(1)), peer("a", "AAAA"), peer("a b", Self.key(1)),
            ] {
                #expect(throws: JSONError.self, "\(bad)") { try parse(bad) }
            }
            #expect(throws: JSONError.self) { try parse("", type: "policy") }
            #expect(throws: JSONError.self) { try parse("", version: "0") }
        }
    }
}
