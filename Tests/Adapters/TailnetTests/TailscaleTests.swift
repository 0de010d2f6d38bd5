import ByteCoding
import MusterSystem
import MusterTestSupport
import Testing

@testable import Tailnet

extension TailnetIdentityTests {
    @Suite("Tailscale's LocalAPI")
    struct TailscaleTests {
        private static func whois(_ name: String) throws -> TailnetIdentity {
            var json = ForeignJSON(try TestVectors.read("tailscale-localapi/\(name).json"))
            json.begin()
            let identity = try TailscaleDocuments.whois(&json)
            try json.end()
            return identity
        }

        @Test("A captured answer about a user's node gives its StableID, key, name, addresses, login and expiry")
        func captured() throws {
            let identity = try Self.whois("whois-user-node")
            #expect(
                identity
                    == TailnetIdentity(
                        id: "nQEBPSwLmr11CNTRL",
                        key: "nodekey:868747d0c5bff12ed553edad8e7f2f499a3c6883b6f7167a58d84573a4a47e03",
                        name: "ivysaur.tail78f774.ts.net",
                        addresses: ["100.100.126.4", "fd7a:115c:a1e0::a437:7e04"],
                        login: "thor@example.org",
                        keyExpires: UTCTime("2026-10-07T17:23:30Z"),
                        isOnline: true
                    )
            )
        }

        @Test("A tagged node belongs to nobody, and without KeyExpiry its key does not expire")
        func tagged() throws {
            let identity = try Self.whois("whois-tagged-node")
            #expect(identity.tags == ["tag:fearow"])
            #expect(identity.login == nil)
            #expect(identity.keyExpires == nil)
            #expect(!identity.keyExpired)
        }

        @Test("The login tagged-devices is nobody's, even where the tags are missing")
        func taggedDevices() throws {
            var json = ForeignJSON(
                Array(
                    #"{"Node":{"StableID":"n1","Key":"nodekey:1"},"UserProfile":{"LoginName":"tagged-devices"}}"#.utf8
                )
            )
            #expect(try TailscaleDocuments.whois(&json).login == nil)
        }

        @Test("Status names everybody by ID and PublicKey; Go's zero time is no time; own name and addresses are there")
        func status() throws {
            var json = ForeignJSON(try TestVectors.read("tailscale-localapi/status.json"))
            let status = try TailscaleDocuments.status(&json)
            #expect(status.state == "Running")
            #expect(status.own?.id == "nSelf")
            #expect(status.own?.name == "a.example.ts.net")
            #expect(status.own?.addresses == ["100.64.0.1"])
            #expect(status.own?.login == "u@example.com")
            #expect(status.own?.lastSeen == nil)
            let peer = try #require(status.peers.first)
            #expect(peer.id == "nPeer")
            #expect(peer.key.hasPrefix("nodekey:bbbb"))
            #expect(peer.tags == ["tag:server"])
            #expect(peer.login == nil)
            #expect(peer.isOnline == false)
            #expect(peer.lastSeen == UTCTime("2026-08-01T00:00:00Z"))
        }

        @Test("Nothing in a name or login can steer a terminal")
        func terminal() throws {
            let text = #"""
                {"Node": {"StableID": "n1", "Key": "nodekey:1", "Name": "a\u001b[2Jb\u009b\u202e."},
                 "UserProfile": {"LoginName": "grüße\r\n@example.com"}}
                """#
            var json = ForeignJSON(Array(text.utf8))
            let identity = try TailscaleDocuments.whois(&json)
            #expect(identity.name == "a[2Jb")
            #expect(identity.login == "grüße@example.com")
        }

        @Test("A node without StableID or key, or whose id would pass for one of our own making, is nobody")
        func incomplete() {
            for text in [
                "{}", #"{"Node": {}}"#, #"{"Node": {"StableID": "n1"}}"#, #"{"Node": {"Key": "nodekey:1"}}"#,
                #"{"Node": {"StableID": "", "Key": "nodekey:1"}}"#, #"{"Node": []}"#,
                #"{"Node": {"StableID": "n1", "StableID": "n2", "Key": "nodekey:1"}}"#,
                #"{"Node": {"StableID": "address:127.0.0.1", "Key": "nodekey:1"}}"#,
                #"{"Node": {"StableID": "wireguard:web", "Key": "nodekey:1"}}"#,
            ] {
                #expect(throws: ForeignJSONError.self, "\(text)") {
                    var json = ForeignJSON(Array(text.utf8))
                    _ = try TailscaleDocuments.whois(&json)
                }
            }
        }

        @Test("Over the socket: whois by IPv4 and IPv6, nobody is nil, and what is sent is what tailscaled asks for")
        func socket() async throws {
            try await LocalAPIStandIn.run { tailscaled in
                tailscaled.add(.init("web-1", ["100.64.0.5", "fd7a:115c:a1e0::5"]))
                let source = TailscaleLocalAPI(socket: tailscaled.socket)
                let found = try await source.whois("100.64.0.5")
                #expect(found?.name == "web-1.example.ts.net")
                #expect(found?.login == "ada@example.com")
                #expect(try await source.whois("fd7a:115c:a1e0::5") == found)
                #expect(try await source.whois("FD7A:115C:A1E0:0::5") == found)
                #expect(try await source.whois("100.64.0.6") == nil)
                #expect(try await source.whois("not an address") == nil)
                for request in tailscaled.requests {
                    #expect(request.headers["host"] == "local-tailscaled.sock")
                    #expect(request.headers["origin"] == nil && request.headers["referer"] == nil)
                }
                #expect(tailscaled.requests.count == 4)
            }
        }

        @Test("Over the socket: everybody, with handshakes; own name and addresses")
        func everybody() async throws {
            try await LocalAPIStandIn.run { tailscaled in
                tailscaled.add(.init("web-1", ["100.64.0.5"]))
                tailscaled.add(.init("db-1", ["100.64.0.6"], tags: ["tag:db"]))
                tailscaled.update("db-1") { $0.lastHandshake = "2026-08-01T00:00:00Z" }
                let source = TailscaleLocalAPI(socket: tailscaled.socket)
                let everybody = try await source.identities()
                #expect(everybody.map(\.id) == ["nweb-1CNTRL", "ndb-1CNTRL"])
                #expect(everybody.map(\.login) == ["ada@example.com", nil])
                #expect(everybody[1].lastHandshake == UTCTime("2026-08-01T00:00:00Z"))
                let own = try await source.own()
                #expect(own.name == "musterd.example.ts.net")
                #expect(own.addresses == ["100.64.0.1"])
                tailscaled.setBackend("Running", magicDNS: false)
                #expect(try await source.own().name.isEmpty)
            }
        }

        @Test("A tailscaled that is logged out has no address to listen on")
        func loggedOut() async throws {
            try await LocalAPIStandIn.run { tailscaled in
                tailscaled.setBackend("NeedsLogin")
                let source = TailscaleLocalAPI(socket: tailscaled.socket)
                let error = await #expect(throws: TailnetError.self) { try await source.own() }
                #expect(error?.message.contains("NeedsLogin") == true)
            }
        }

        @Test("403, which a wrong Host, an Origin or a Referer get, is an error and nobody's identity")
        func wrongHost() async throws {
            try await LocalAPIStandIn.run { tailscaled in
                tailscaled.add(.init("web-1", ["100.64.0.5"]))
                for host in ["localhost", "local-tailscaled.sock.evil.example", ""] {
                    let reply = try await Self.exchange(tailscaled, "Host: \(host)")
                    #expect(reply?.status == 403, "\(host)")
                }
                for field in ["Origin: http://evil.example", "Referer: http://evil.example/"] {
                    let reply = try await Self.exchange(tailscaled, "Host: local-tailscaled.sock\r\n" + field)
                    #expect(reply?.status == 403, "\(field)")
                }
                #expect(try await Self.exchange(tailscaled, "Host: local-tailscaled.sock")?.status == 200)
                tailscaled.setAnswer(.init(403, .bytes(Array("invalid localapi request\n".utf8))))
                await #expect(throws: TailnetError.self) {
                    try await TailscaleLocalAPI(socket: tailscaled.socket).whois("100.64.0.5")
                }
            }
        }

        private static func exchange(_ tailscaled: LocalAPIStandIn, _ fields: String) async throws -> LocalHTTP.Reply? {
            let request = "GET /localapi/v0/whois?addr=100.64.0.5:0 HTTP/1.1\r\n\(fields)\r\n\r\n"
            let bytes = try await UnixSocketExchange.run(
                tailscaled.socket,
                request: Array(request.utf8),
                limit: 1 << 20,
                timeout: .seconds(60),
                isComplete: LocalHTTP.isComplete
            )
            return LocalHTTP.parse(bytes)
        }

        @Test("An unreachable, silent, endless or garbled tailscaled is an error, never an answer")
        func unreachable() async throws {
            let missing = TailscaleLocalAPI(socket: "/nonexistent/tailscaled.sock")
            await #expect(throws: TailnetError.self) { try await missing.whois("100.64.0.5") }
            try await LocalAPIStandIn.run { tailscaled in
                tailscaled.add(.init("web-1", ["100.64.0.5"]))
                let source = TailscaleLocalAPI(socket: tailscaled.socket, timeout: .seconds(1))
                let garbled: [LoopbackServer.Reply] = [
                    .init(200, .bytes(Array("not json".utf8))), .init(200, .bytes(Array("{}".utf8))),
                    .init(500, .bytes(Array("oops".utf8))), .init(301, .bytes([])),
                    .init(200, .cutOff(Array("{\"Node\": {".utf8), promised: 1000)),
                    .init(200, .endless([UInt8](repeating: 0x20, count: 65536))),
                ]
                for reply in garbled {
                    tailscaled.setAnswer(reply)
                    await #expect(throws: TailnetError.self) { try await source.whois("100.64.0.5") }
                    await #expect(throws: TailnetError.self) { try await source.own() }
                }
                tailscaled.setAnswer(nil)
                tailscaled.setSilent(true)
                let begin = ContinuousClock.now
                await #expect(throws: TailnetError.self) { try await source.whois("100.64.0.5") }
                #expect(ContinuousClock.now - begin < .seconds(30))
                tailscaled.setSilent(false)
                let found = try await source.whois("100.64.0.5")
                #expect(found?.id == "nweb-1CNTRL")
            }
        }

        @Test("An answer about somebody who does not have the address that was asked for is not believed")
        func otherAddress() async throws {
            try await LocalAPIStandIn.run { tailscaled in
                let captured = try TestVectors.read("tailscale-localapi/whois-user-node.json")
                tailscaled.setAnswer(.init(200, .bytes(captured)))
                let source = TailscaleLocalAPI(socket: tailscaled.socket)
                #expect(try await source.whois("100.100.126.4")?.id == "nQEBPSwLmr11CNTRL")
                await #expect(throws: TailnetError.self) { try await source.whois("100.100.126.9") }
            }
        }

        @Test("Rotation changes the key and not the id; an expired key is shown as expired")
        func rotation() async throws {
            try await LocalAPIStandIn.run { tailscaled in
                tailscaled.add(.init("web-1", ["100.64.0.5"]))
                let source = TailscaleLocalAPI(socket: tailscaled.socket)
                let before = try await source.whois("100.64.0.5")
                let key = tailscaled.rotate("web-1")
                let after = try await source.whois("100.64.0.5")
                #expect(after?.id == before?.id)
                #expect(after?.key == key && before?.key != key)
                tailscaled.update("web-1") { node in
                    node.expired = true
                    node.keyExpiry = "2026-01-01T00:00:00Z"
                }
                #expect(try await source.whois("100.64.0.5")?.keyExpired == true)
                #expect(try await source.identities().first?.keyExpires == UTCTime("2026-01-01T00:00:00Z"))
            }
        }

        @Test("Answers come whole, chunked or not, and only whole")
        func http() {
            func parse(_ text: String) -> String? {
                LocalHTTP.parse(Array(text.utf8)).map { "\($0.status) " + String(decoding: $0.body, as: UTF8.self) }
            }
            #expect(parse("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi") == "200 hi")
            #expect(parse("HTTP/1.1 404 Not Found\r\ncontent-length:0\r\n\r\n") == "404 ")
            #expect(
                parse(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhi\r\nA\r\n0123456789\r\n0\r\n\r\n"
                )
                    == "200 hi0123456789"
            )
            for text in [
                "", "HTTP/1.1 200 OK\r\n\r\nhi", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi",
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nhi", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nhi\r\n0\r\n\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "SSH-2.0-OpenSSH\r\n\r\n",
                "HTTP/1.1 99 X\r\nContent-Length: 0\r\n\r\n",
                "HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n",
            ] {
                #expect(parse(text) == nil, "\(text)")
            }
        }
    }
}
