import ByteCoding
import CanonicalJSON
import Glibc
import MusterIdentity
import MusterKeys
import MusterSystem
import MusterTestSupport
import NoticeDelivery
import Synchronization
import Testing

/// Webhooks against a receiver that behaves well or badly, over real HTTP.
@Suite struct WebhookChannelTests {
    final class Receiver: Sendable {
        private let taken = Mutex([LoopbackServer.Request]())
        private let reply: LoopbackServer.Reply

        init(_ reply: LoopbackServer.Reply) { self.reply = reply }

        var requests: [LoopbackServer.Request] { taken.withLock { $0 } }

        @Sendable func answer(_ request: LoopbackServer.Request) async -> LoopbackServer.Reply {
            taken.withLock { $0.append(request) }
            return reply
        }
    }

    static func message(id: String = "00ff") throws -> NoticeMessage {
        let time = UTCTime(seconds: 1_900_000_000)
        let subject = ExpirySubject(
            kind: .nodeKey,
            id: "node-1",
            name: "web1",
            expires: time.adding(seconds: 6 * 86400)
        )
        let notice = ExpiryNotice(subject: subject, threshold: .week, time: time)
        return try #require(NoticeMessage(id: id, fleet: nil, kind: .expiry, time: time, notices: [notice]))
    }

    private static func secret(_ text: String) -> SecretBytes {
        var bytes = Array(text.utf8)
        return SecretBytes(wiping: &bytes)
    }

    /// Delivers to `url`; the failure, or nil.
    private func deliver(_ url: String, secret: SecretBytes? = nil, seconds: Int64 = 5) async throws -> String? {
        let channel = WebhookChannel(try #require(WebhookAddress(url)), secret: secret, seconds: seconds)
        let message = try Self.message()
        let failure: String?
        do throws(NoticeDeliveryError) {
            try await channel.deliver(channel.bytes(message), id: message.id)
            failure = nil
        } catch {
            failure = error.message
        }
        return failure
    }

    @Test("a receiver gets the document, its id and a signature that it can check with the shared secret")
    func signed() async throws {
        let receiver = Receiver(LoopbackServer.Reply(204))
        let secret = Self.secret("a secret of both sides")
        try await LoopbackServer.run(answer: receiver.answer) { server in
            let failure = try await deliver(server.address + "/hook?token=x", secret: secret)
            #expect(failure == nil)
        }
        let request = try #require(receiver.requests.first)
        #expect(request.method == "POST" && request.path == "/hook" && request.query == "token=x")
        #expect(request.headers["content-type"] == "application/json")
        #expect(request.headers["muster-notice"] == "00ff")
        let tag = Hex.encode(HMACSHA256.tag(of: request.body, key: Self.secret("a secret of both sides")))
        #expect(request.headers["muster-signature"] == "sha256=" + tag)
        #expect(try JSONValue.parse(request.body, limit: 65536)["level"]?.text == "warning")
    }

    @Test("without a secret nothing is signed")
    func unsigned() async throws {
        let receiver = Receiver(LoopbackServer.Reply(200, .bytes(Array("ok".utf8))))
        try await LoopbackServer.run(answer: receiver.answer) { server in
            let failure = try await deliver(server.address)
            #expect(failure == nil)
        }
        #expect(receiver.requests.count == 1)
        #expect(receiver.requests.first?.headers["muster-signature"] == nil)
    }

    @Test(
        "a redirect is a failure and is not followed, so that nobody else gets the notice",
        arguments: [301, 302, 307, 308]
    )
    func redirect(status: Int) async throws {
        let thief = Receiver(LoopbackServer.Reply(200))
        try await LoopbackServer.run(answer: thief.answer) { elsewhere in
            let receiver = Receiver(LoopbackServer.Reply(status, headers: ["Location": elsewhere.address + "/"]))
            try await LoopbackServer.run(answer: receiver.answer) { server in
                let failure = try #require(try await deliver(server.address))
                #expect(failure.contains("redirect"))
            }
            #expect(receiver.requests.count == 1)
        }
        #expect(thief.requests.isEmpty)
    }

    @Test(
        "a failing receiver is asked once for each attempt, and the failure says its status",
        arguments: [400, 404, 500, 503]
    )
    func failing(status: Int) async throws {
        let receiver = Receiver(LoopbackServer.Reply(status))
        try await LoopbackServer.run(answer: receiver.answer) { server in
            let failure = try await deliver(server.address)
            #expect(failure?.contains("status \(status)") == true)
        }
        #expect(receiver.requests.count == 1)
    }

    @Test("a receiver that never answers costs a bounded time")
    func silent() async throws {
        let answer: @Sendable (LoopbackServer.Request) async -> LoopbackServer.Reply = { _ in
            try? await Task.sleep(for: .seconds(60))
            return LoopbackServer.Reply(200)
        }
        try await LoopbackServer.run(answer: answer) { server in
            let start = MonotonicClock.milliseconds()
            let failure = try await deliver(server.address, seconds: 1)
            #expect(failure?.contains("within 1 s") == true)
            #expect(MonotonicClock.milliseconds() - start < 10_000)
        }
    }

    @Test("an endless answer is not read")
    func endless() async throws {
        let receiver = Receiver(LoopbackServer.Reply(200, .endless([UInt8](repeating: 0x20, count: 65536))))
        try await LoopbackServer.run(answer: receiver.answer) { server in
            let failure = try await deliver(server.address)
            #expect(failure == nil)
        }
    }

    @Test("nobody listening is said in words, without the secret part of the address")
    func refused() async throws {
        let failure = try #require(try await deliver("http://127.0.0.1:1/services/T0PSECRET?token=T0PSECRET"))
        #expect(failure == "webhook http://127.0.0.1:1: connection refused")
    }

    @Test("addresses are http or https, with a host and without a user name")
    func addresses() throws {
        for good in ["https://h", "http://h:1/x?y=z&a=b", "https://[::1]:8/p", "HTTPS://h/x"] {
            #expect(WebhookAddress(good) != nil, "\(good)")
        }
        for bad in [
            "ftp://h", "https://", "https:///x", "https://:80/x", "https://user:pw@h/", "https://h/#f", "https://h/ x",
            "https://h/\r\nX: y", "file:///etc/passwd", "h", "", "https://\u{E4}.example/",
        ] {
            #expect(WebhookAddress(bad) == nil, "\(bad)")
        }
        #expect(WebhookAddress("https://user@h/") == nil && WebhookAddress("https://h/@x") != nil)
        let address = try #require(WebhookAddress("https://hooks.example.org/T0PSECRET"))
        #expect("\(address)" == "https://hooks.example.org")
        let channel = WebhookChannel(address, secret: nil)
        #expect(!channel.id.contains("SECRET") && !channel.name.contains("SECRET"))
    }
}
