import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterStore
import MusterSystem
import MusterTestSupport
import NoticeDelivery
import Synchronization
import Tailnet
import Testing

@testable import MusterServer

@Suite("Notices of tailnet keys")
struct TailnetNoticesTests {
    /// A tailnet of this service and one node, whose keys expire, and that can fall silent.
    private final class Source: TailnetSource {
        private let expires: UTCTime
        private let isSilent = Mutex(false)

        init(expires: UTCTime) { self.expires = expires }

        func falls(silent: Bool) { isSilent.withLock { $0 = silent } }

        private func check() throws(TailnetError) {
            if isSilent.withLock({ $0 }) { throw TailnetError("the tailnet is silent") }
        }

        private var node: TailnetIdentity {
            TailnetIdentity(
                id: "nWeb",
                key: "nodekey:01",
                name: "web1.tail1234.ts.net",
                addresses: ["127.0.9.2"],
                login: "ada@example.com",
                keyExpires: expires
            )
        }

        func whois(_ address: String) async throws(TailnetError) -> TailnetIdentity? {
            try check()
            return address == "127.0.9.2" ? node : nil
        }

        func identities() async throws(TailnetError) -> [TailnetIdentity] {
            try check()
            return [node]
        }

        func own() async throws(TailnetError) -> TailnetIdentity {
            try check()
            return TailnetIdentity(
                id: "nOwn",
                key: "nodekey:02",
                name: "musterd.tail1234.ts.net",
                addresses: ["127.0.0.1"],
                keyExpires: expires
            )
        }
    }

    @Test("the tailnet keys of nodes and of the service itself are announced once, also when the tailnet falls silent")
    func announced() async throws {
        let source = Source(expires: WallClock.now().adding(seconds: 6 * 86400))
        try await ServerFixture.run { options in
            options.tailnetSource = source
            options.tailnetWatchSeconds = 1
            options.isThisMachine = { _ in false }
            options.notices.lookEvery = 0
        } _: { fixture in
            let secret = try await fixture.token(uses: 1, by: try await fixture.login())
            let client = try MusterClient(
                service: fixture.url,
                options: HTTPTransport.Options(localAddress: "127.0.9.2")
            )
            let request = fixture.enrollRequest(TestKey("node-web1"), name: "web1", secret: secret)
            do {
                _ = try await client.enroll(request)
                await client.close()
            } catch {
                await client.close()
                throw error
            }
            func announced() async throws -> [String] {
                try await fixture.server.service.store.read { try $0.events(after: 0, limit: 1000) }
                    .filter { $0["type"]?.text == "expiry-announced" }
                    .compactMap { $0["detail"]?["text"]?.text }.sorted()
            }
            let expected = [
                "the tailnet key of node musterd.tail1234.ts.net (musterd itself) expires in 5 days",
                "the tailnet key of node web1 expires in 5 days",
            ]
            #expect(try await eventually { try await announced().count >= 2 })
            #expect(try await announced() == expected)
            source.falls(silent: true)
            try await Task.sleep(for: .milliseconds(1500))
            source.falls(silent: false)
            try await Task.sleep(for: .milliseconds(1500))
            #expect(try await announced() == expected)
        }
    }
}
