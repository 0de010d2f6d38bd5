import ByteCoding
import MusterAPI
import MusterClient
import MusterModel
import MusterTestSupport
import Testing

@testable import MusterServer

extension TailnetIdentityTests {
    @Suite("Operators whom the tailnet recognises")
    struct OperatorRecognitionTests {
        private static let alpha = TailnetFleet.alpha
        private static let reading = ["/v1/nodes", "/v1/enrollments", "/v1/events", "/v1/rollouts"]

        @Test("An operator reads without a session, and cannot change anything that way")
        func readingOnly() async throws {
            try await TailnetFleet.run { fleet async throws in
                for path in Self.reading { #expect(try await fleet.status(path, from: Self.alpha) == 200, "\(path)") }
                let node = try await fleet.joined("alpha", at: Self.alpha)
                #expect(try await fleet.status("/v1/nodes/\(node.id)", from: Self.alpha) == 200)
                for path in [
                    "/v1/statements", "/v1/rollouts/x/halt", "/v1/rollouts/x/cancel",
                    "/v1/repository/metadata/releases",
                ] {
                    #expect(try await fleet.status(path, from: Self.alpha, method: .post) == 401, "\(path)")
                }
                let file = "/v1/repository/files/\(String(repeating: "a", count: 64))?path=releases/x_1_all.deb"
                #expect(try await fleet.status(file, from: Self.alpha, method: .put) == 401)
            }
        }

        @Test("A tagged node, loopback, another user and a stranger are no operator")
        func nobody() async throws {
            try await TailnetFleet.run { fleet async throws in
                fleet.tailscaled.add(.init("gamma", ["127.0.64.7"], login: "eve@example.com"))
                fleet.tailscaled.update("beta") { $0.login = "ada@example.com" }
                for path in Self.reading {
                    #expect(try await fleet.status(path, from: TailnetFleet.beta) == 401, "tagged: \(path)")
                    #expect(try await fleet.status(path, from: "127.0.64.7") == 401, "another user: \(path)")
                    #expect(try await fleet.status(path, from: "127.0.0.1") == 401, "loopback: \(path)")
                    #expect(try await fleet.status(path, from: TailnetFleet.stranger) == 403, "stranger: \(path)")
                }
                fleet.tailscaled.update("alpha") { $0.tags = ["tag:laptop"] }
                #expect(try await fleet.status("/v1/nodes", from: Self.alpha) == 401, "tagged since")
            }
        }

        @Test("The login tagged-devices is nobody's, even where a policy says so")
        func taggedDevices() async throws {
            try await TailnetFleet.run(logins: ["ada": ["tagged-devices", ""]]) { fleet async throws in
                fleet.tailscaled.update("alpha") { $0.login = "tagged-devices" }
                #expect(try await fleet.status("/v1/nodes", from: Self.alpha) == 401)
            }
        }

        @Test("A login that two operators have is nobody's")
        func ambiguous() async throws {
            try await TailnetFleet.run(logins: ["ada": ["ada@example.com"], "ben": ["ada@example.com"]]) {
                fleet async throws in
                #expect(try await fleet.status("/v1/nodes", from: Self.alpha) == 401)
            }
        }

        @Test("An operator whose every key has expired is no operator any more")
        func expired() async throws {
            try await TailnetFleet.run { fleet async throws in
                fleet.fixture.clock.advance(seconds: 181 * 86400)
                #expect(try await fleet.status("/v1/nodes", from: Self.alpha) != 200)
            }
        }

        @Test("A page of another site in an operator's browser gets nothing, by its origin or by DNS rebinding")
        func browser() async throws {
            try await TailnetFleet.run { fleet async throws in
                let foreign: [[(String, String)]] = [
                    [("Host", "evil.example")], [("Host", "evil.example:8470")], [("Origin", "http://evil.example")],
                    [("Sec-Fetch-Site", "cross-site")], [("Sec-Fetch-Site", "same-site")],
                    [("Host", "musterd.example.ts.net.evil.example")], [("Host", "")],
                ]
                for headers in foreign {
                    #expect(
                        try await fleet.status("/v1/nodes", from: Self.alpha, headers: headers) == 401,
                        "\(headers)"
                    )
                }
                let own: [[(String, String)]] = [
                    [("Host", "musterd.example.ts.net:8470")], [("Host", "musterd")], [("Host", "[fd7a::1]:8470")],
                    [("Sec-Fetch-Site", "none")], [("Sec-Fetch-Site", "same-origin")],
                ]
                for headers in own {
                    #expect(
                        try await fleet.status("/v1/nodes", from: Self.alpha, headers: headers) == 200,
                        "\(headers)"
                    )
                }
            }
        }

        @Test("A session that has ended is not replaced by recognition")
        func endedSession() async throws {
            try await TailnetFleet.run { fleet async throws in
                let headers = [("Authorization", "Bearer AAAA")]
                #expect(try await fleet.status("/v1/nodes", from: Self.alpha, headers: headers) == 401)
                #expect(try await fleet.status("/v1/whoami", from: Self.alpha, headers: headers) == 401)
            }
        }

        @Test("whoami tells anybody who they are taken for, and by what")
        func whoami() async throws {
            try await TailnetFleet.run { fleet async throws in
                let ada = try await fleet.calling(from: Self.alpha) { try await $0.whoami(session: nil) }
                #expect(ada.address == Self.alpha)
                #expect(ada.identity.id == "nalphaCNTRL")
                #expect(ada.identity.login == "ada@example.com")
                #expect(ada.operatorName == "ada" && ada.means == .tailnet && ada.sessionExpires == nil)
                let tagged = try await fleet.calling(from: TailnetFleet.beta) { try await $0.whoami(session: nil) }
                #expect(tagged.operatorName.isEmpty && tagged.means == .none)
                #expect(tagged.identity.tags == ["tag:web"] && tagged.identity.login == nil)
                let session = try await fleet.fixture.login("ben")
                let ben = try await fleet.fixture.client.whoami(session: session)
                #expect(ben.identity.id == "address:127.0.0.1")
                #expect(ben.operatorName == "ben" && ben.means == .session)
                #expect(try #require(ben.sessionExpires) > fleet.fixture.clock.now())
                let node = try await fleet.joined("beta", at: TailnetFleet.beta)
                let nodeSession = try await node.session(from: TailnetFleet.beta)
                let itself = try await fleet.calling(from: TailnetFleet.beta) {
                    try await $0.whoami(session: nodeSession)
                }
                #expect(itself.means == .none && itself.sessionExpires != nil)
            }
        }
    }
}
