import ByteCoding
import MusterAPI
import MusterClient
import MusterIdentity
import MusterModel
import NoticeDelivery
import Synchronization
import Testing

@testable import MusterServer

@Suite("Notices of rollouts")
struct RolloutNoticeTests {
    /// Keeps what it is given.
    private final class Channel: NoticeChannel {
        let id = "test"
        let name = "test"
        private let state = Mutex<[NoticeMessage]>([])

        var told: [NoticeMessage] { state.withLock { $0.filter { $0.kind == .rollout } } }

        func bytes(_ message: NoticeMessage) -> [UInt8] {
            state.withLock { $0.append(message) }
            return []
        }

        func deliver(_ bytes: [UInt8], id: String) async throws(NoticeDeliveryError) {}
    }

    @Test("a routine release that goes its way is told nobody")
    func routine() async throws {
        let channel = Channel()
        try await RolloutFleet.run([("alpha", [])]) {
            $0.notices.channels = [channel]
        } _: { fleet in
            let id = try await fleet.start()
            try await fleet.upgrade(fleet.nodes[0], id)
            #expect(try await fleet.record(id).state == "complete")
            #expect(channel.told.isEmpty)
        }
    }

    @Test("a security release is told as it begins, or with what it waits for")
    func security() async throws {
        let channel = Channel()
        try await RolloutFleet.run([("alpha", ["web"])], security: true) {
            $0.notices.channels = [channel]
        } _: { fleet in
            let id = try await fleet.start()
            #expect(channel.told.map(\.title) == ["security release hello 2.0 is rolling out"])
            #expect(channel.told.first?.level == .notice)
            try await fleet.upgrade(fleet.nodes[0], id)
            #expect(channel.told.count == 1)
            let tag = try #require(Tag("web"))
            try await fleet.start(nodes: [.tag(tag)], seed: "ben's", by: "ben")
            #expect(channel.told.count == 2)
            #expect(channel.told.last?.title.contains("waits for approval") == true)
            #expect(channel.told.last?.level == .warning)
        }
    }

    @Test("a halt is told with its reason and with what to do, urgently where it came by itself")
    func halts() async throws {
        let channel = Channel()
        try await RolloutFleet.run([("alpha", []), ("beta", [])]) {
            $0.notices.channels = [channel]
        } _: { fleet in
            let strategy = RolloutStrategy(stages: [.percent(100)], bakeSeconds: 0)
            let id = try await fleet.start(strategy: strategy)
            let node = fleet.nodes[0]
            _ = try await node.manifest()
            try await node.report(version: "1.0", [node.progress(id, .rolledBack, version: "1.0")])
            #expect(channel.told.count == 1)
            let notice = try #require(channel.told.first)
            #expect(notice.title.contains("hello 2.0 halted: 1 node failed, 0 allowed"), "\(notice.title)")
            #expect(notice.level == .urgent)
            #expect(notice.items.first?.advice.contains("muster rollout roll-back") == true)
            _ = try await fleet.client.change(id, .resume, reason: "", session: fleet.session)
            _ = try await fleet.client.change(id, .halt, reason: "wait for me", session: fleet.session)
            #expect(channel.told.count == 2)
            #expect(channel.told.last?.title.contains("halted by ada: wait for me") == true)
            #expect(channel.told.last?.level == .warning)
        }
    }

    @Test("a rollout that nobody ended ends by itself, and that is told")
    func expiry() async throws {
        let channel = Channel()
        try await RolloutFleet.run([("alpha", [])]) {
            $0.notices.channels = [channel]
        } _: { fleet in
            let id = try await fleet.start(lifetime: 3600)
            fleet.fixture.clock.advance(seconds: 3601)
            try await fleet.fixture.server.service.rollouts.tick(at: fleet.fixture.clock.now())
            #expect(try await fleet.record(id).state == "expired")
            #expect(channel.told.count == 1)
            #expect(channel.told.first?.title.contains("ended unfinished: the statement expired") == true)
        }
    }
}
