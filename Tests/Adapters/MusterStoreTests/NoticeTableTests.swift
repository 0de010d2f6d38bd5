import ByteCoding
import MusterIdentity
import Testing

@testable import MusterStore

/// Announcements and the outbox on disk.
@Suite struct NoticeTableTests {
    private func notice(_ id: String, _ channel: String, kind: String = "expiry", at time: UTCTime) -> StoredNotice {
        StoredNotice(id: id, channel: channel, kind: kind, body: Array(id.utf8), made: time)
    }

    @Test("what was announced and what waits outlives a restart, byte for byte")
    func survives() async throws {
        let fixture = StoreFixture()
        defer { fixture.remove() }
        let time = fixture.now
        var round = ExpiryNotices.Round()
        round.remembered = ["node-key a": .init(.week, expires: time), "metadata root": .init(.expired, expires: time)]
        let first = try await fixture.open()
        let stored = round
        try await first.write {
            try $0.take(stored, at: time)
            try $0.add(notice("1", "mail", at: time))
            try $0.setLastDigest(time)
        }
        try first.close()
        let second = try await fixture.open()
        let (announced, waiting, digest) = try await second.read {
            (try $0.announcements(), try $0.waitingNotices(), try $0.lastDigest())
        }
        #expect(announced == stored.remembered)
        #expect(waiting == [notice("1", "mail", at: time)])
        #expect(digest == time)
        var next = ExpiryNotices.Round()
        next.forgotten = ["node-key a"]
        next.remembered = ["metadata root": .init(.month, expires: time.adding(seconds: 1))]
        let later = next
        try await second.write { try $0.take(later, at: time) }
        #expect(try await second.read { try $0.announcements() } == later.remembered)
        try second.close()
    }

    @Test("a failure holds up its own channel and no other")
    func failures() async throws {
        let fixture = StoreFixture()
        defer { fixture.remove() }
        let store = try await fixture.open()
        let time = fixture.now
        let next = time.adding(seconds: 30)
        try await store.write { transaction in
            for id in ["1", "2"] {
                try transaction.add(notice(id, "mail", at: time))
                try transaction.add(notice(id, "webhook", at: time))
            }
            try transaction.noticeFailed(notice("1", "mail", at: time), next: next)
        }
        let waiting = try await store.read { try $0.waitingNotices() }
        #expect(waiting.filter { $0.channel == "mail" }.allSatisfy { $0.nextAttempt == next })
        #expect(waiting.filter { $0.channel == "webhook" }.allSatisfy { $0.nextAttempt == time })
        #expect(waiting.map(\.failures) == [1, 0, 0, 0])
        try await store.write { try $0.removeNotice(id: "1", channel: "mail") }
        #expect(try await store.read { try $0.waitingNotices() }.map(\.id) == ["1", "2", "2"])
        try store.close()
    }

    @Test("a new digest replaces one that could not be delivered, so that days of trouble do not end in a flood")
    func digests() async throws {
        let fixture = StoreFixture()
        defer { fixture.remove() }
        let store = try await fixture.open()
        let time = fixture.now
        try await store.write { transaction in
            try transaction.add(notice("1", "mail", kind: "digest", at: time))
            try transaction.add(notice("1", "webhook", kind: "digest", at: time))
            try transaction.add(notice("2", "mail", at: time))
            try transaction.add(notice("3", "mail", kind: "digest", at: time))
        }
        let waiting = try await store.read { try $0.waitingNotices() }
        #expect(waiting.map { "\($0.id) \($0.channel)" } == ["1 webhook", "2 mail", "3 mail"])
        try store.close()
    }
}
