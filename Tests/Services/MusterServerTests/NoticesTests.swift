import ByteCoding
import CanonicalJSON
import Glibc
import MusterIdentity
import MusterKeys
import MusterModel
import MusterStore
import MusterSystem
import MusterTestSupport
import NoticeDelivery
import Testing

@testable import MusterServer

@Suite("Notices of expiries")
struct NoticesTests {
    private static let day: Int64 = 86400

    private func channel(_ server: LoopbackServer) throws -> WebhookChannel {
        WebhookChannel(try #require(WebhookAddress(server.address + "/hook")), secret: nil, seconds: 60)
    }

    private func folder() -> String { "/tmp/muster-server-test-" + Hex.encode(RandomBytes.make(8)) }

    /// Events of these types, whoever may log in at the moment.
    private func events(_ fixture: ServerFixture, _ types: String...) async throws -> [JSONValue] {
        try await fixture.server.service.store.read { try $0.events(after: 0, limit: 10_000) }
            .filter { types.contains($0["type"]?.text ?? "") }
    }

    private func items(_ notice: JSONValue?) -> [JSONValue] {
        notice?["items"]?.elements ?? []
    }

    private func words(_ items: [JSONValue]) -> [String] {
        items.map { "\($0["subject"]?.text ?? "") \($0["name"]?.text ?? "") \($0["days"]?.number ?? -1)" }.sorted()
    }

    private static let keys = ["operator-key ada", "operator-key ben", "operator-key cat"]
    private static let metadata = ["metadata policy", "metadata releases", "metadata root", "metadata targets"]

    @Test("operator keys and signed metadata are announced 30, 7 and 1 days before and at their expiry, once each")
    func announced() async throws {
        let receiver = NoticeReceiver()
        try await LoopbackServer.run(answer: receiver.answer) { server in
            let channel = try channel(server)
            try await ServerFixture.run(options: { options in
                options.notices.channels = [channel]
                options.notices.lookEvery = 0
                options.notices.digestHour = 23
            }) { fixture in
                var said = 0
                let course: [(Int64, [String])] = [
                    (149, []), (2, Self.keys.map { $0 + " 30" }), (10, []), (13, Self.keys.map { $0 + " 7" }),
                    (5, Self.keys.map { $0 + " 1" }), (1, Self.keys.map { $0 + " 0" }), (150, []),
                    (6, Self.metadata.map { $0 + " 30" }), (30, Self.metadata.map { $0 + " 0" }),
                ]
                for (days, expected) in course {
                    fixture.clock.advance(seconds: days * Self.day)
                    said += expected.count
                    let came = try await eventually { try await events(fixture, "expiry-announced").count >= said }
                    #expect(came, "\(days) \(expected)")
                    let details = try await events(fixture, "expiry-announced").compactMap { $0["detail"] }
                    #expect(details.count == said)
                    #expect(words(Array(details.suffix(expected.count))) == expected, "\(days)")
                }
                try await Task.sleep(for: .seconds(1))
                #expect(try await events(fixture, "expiry-announced").count == said)
                let expiries = receiver.notices.filter { $0["kind"]?.text == "expiry" }
                #expect(expiries.map { items($0).count } == [3, 3, 3, 3, 4, 4])
                #expect(
                    expiries.map { $0["level"]?.text } == [
                        "notice", "warning", "urgent", "urgent", "notice", "urgent",
                    ]
                )
                #expect(expiries.allSatisfy { $0["fleet"]?.text == fixture.fleet.fleet.text })
            }
        }
    }

    @Test("what a receiver did not take comes again, the same byte for byte, and the failure is one event")
    func retried() async throws {
        let receiver = NoticeReceiver()
        receiver.answers(503)
        try await LoopbackServer.run(answer: receiver.answer) { server in
            let channel = try channel(server)
            try await ServerFixture.run(options: { options in
                options.notices.channels = [channel]
                options.notices.digestHour = 23
            }) { fixture in
                fixture.clock.advance(seconds: 151 * Self.day)
                #expect(await eventually { receiver.requests.count == 1 })
                try await Task.sleep(for: .seconds(1))
                #expect(receiver.requests.count == 1, "it is not asked again at once")
                fixture.clock.advance(seconds: 31)
                #expect(await eventually { receiver.requests.count == 2 })
                // The pause counts from when the service noted the failure: not before that may time go on.
                let store = fixture.server.service.store
                #expect(
                    try await eventually {
                        try await store.read { try $0.waitingNotices() }.map(\.failures) == [2]
                    }
                )
                receiver.answers(204)
                fixture.clock.advance(seconds: 61)
                #expect(await eventually { receiver.requests.count == 3 })
                #expect(try await eventually { try await store.read { try $0.waitingNotices() }.isEmpty })
                #expect(Set(receiver.requests.map(\.body)).count == 1)
                #expect(Set(receiver.requests.compactMap { $0.headers["muster-notice"] }).count == 1)
                let failures = try await events(fixture, "notice-failed", "notice-given-up")
                #expect(failures.count == 1)
                let detail = try #require(failures.first?["detail"])
                #expect(detail["why"]?.text?.hasSuffix("status 503") == true)
                #expect(detail["channel"]?.text == "webhook \(server.address)")
            }
        }
    }

    @Test("a message that waits when the service ends is delivered by the next one, and nothing is announced twice")
    func restart() async throws {
        let receiver = NoticeReceiver()
        receiver.answers(500)
        let folder = folder()
        defer { removeTree(folder) }
        try await LoopbackServer.run(answer: receiver.answer) { server in
            let first = try channel(server)
            var fleet: FleetSimulator?
            try await ServerFixture.run(
                in: folder,
                withFleet: true,
                options: { options in
                    options.notices.channels = [first]
                    options.notices.digestHour = 23
                }
            ) { fixture in
                fixture.clock.advance(seconds: 175 * Self.day)
                #expect(await eventually { receiver.requests.count == 1 })
                fleet = fixture.fleet
            }
            receiver.answers(200)
            let second = try channel(server)
            try await ServerFixture.run(
                in: folder,
                withFleet: false,
                as: fleet,
                options: { options in
                    options.notices.channels = [second]
                    options.notices.digestHour = 23
                    options.clock = { WallClock.now().adding(seconds: 175 * Self.day + 60) }
                }
            ) { fixture in
                #expect(await eventually { receiver.requests.count == 2 })
                try await Task.sleep(for: .seconds(1))
                #expect(receiver.requests.count == 2)
                #expect(Set(receiver.requests.compactMap { $0.headers["muster-notice"] }).count == 1)
                #expect(try await events(fixture, "expiry-announced").count == 3)
            }
        }
    }

    @Test("a service that was away for months announces each subject once, by its last threshold, in one message")
    func noFlood() async throws {
        let receiver = NoticeReceiver()
        let folder = folder()
        defer { removeTree(folder) }
        try await LoopbackServer.run(answer: receiver.answer) { server in
            var fleet: FleetSimulator?
            try await ServerFixture.run(in: folder, withFleet: true) { fleet = $0.fleet }
            let channel = try channel(server)
            try await ServerFixture.run(
                in: folder,
                withFleet: false,
                as: fleet,
                options: { options in
                    options.notices.channels = [channel]
                    options.clock = { WallClock.now().adding(seconds: 190 * Self.day) }
                }
            ) { fixture in
                #expect(await eventually { receiver.notices.contains { $0["kind"]?.text == "expiry" } })
                let told = receiver.notices.filter { $0["kind"]?.text == "expiry" }
                #expect(words(told.flatMap(items)) == Self.keys.map { $0 + " 0" })
                #expect(told.count == 1)
                #expect(receiver.notices.count == 1, "no digest beside it")
                _ = fixture
            }
        }
    }

    @Test("the digest comes once a day at its hour, only while something is due")
    func digest() async throws {
        let receiver = NoticeReceiver()
        try await LoopbackServer.run(answer: receiver.answer) { server in
            let channel = try channel(server)
            let hour = Int((WallClock.now().seconds / 3600 + 2) % 24)
            try await ServerFixture.run(options: { options in
                options.notices.channels = [channel]
                options.notices.lookEvery = 0
                options.notices.digestHour = hour
            }) { fixture in
                func digests() -> [JSONValue] { receiver.notices.filter { $0["kind"]?.text == "digest" } }
                for _ in 0..<3 {
                    fixture.clock.advance(seconds: Self.day)
                    try await Task.sleep(for: .milliseconds(1200))
                }
                #expect(digests().isEmpty, "nothing is due")
                fixture.clock.advance(seconds: 150 * Self.day)
                #expect(await eventually { receiver.notices.count == 1 })
                #expect(digests().isEmpty, "what is announced at this moment is not said twice")
                for day in 1...3 {
                    fixture.clock.advance(seconds: Self.day)
                    #expect(await eventually { digests().count == day })
                    try await Task.sleep(for: .milliseconds(1200))
                    #expect(digests().count == day)
                }
                fixture.clock.advance(seconds: 9 * Self.day)
                #expect(await eventually { digests().count >= 4 })
                let last = try #require(digests().last)
                #expect(words(items(last)).count == 3)
                #expect(last["title"]?.text?.hasPrefix("daily digest: ") == true)
            }
        }
    }

    @Test("a receiver that hangs holds up neither the mail, nor the service, nor its end")
    func hanging() async throws {
        let receiver = NoticeReceiver()
        receiver.hangs(true)
        let folder = try TemporaryFolder()
        let out = folder.file("mail")
        try AtomicFile.write(Array("#!/bin/sh\ncat >> '\(out)'\n".utf8), to: folder.file("sendmail"), mode: 0o755)
        let mail = try MailCommandChannel([folder.file("sendmail")], recipients: ["ops@example.org"])
        try await LoopbackServer.run(answer: receiver.answer) { server in
            let webhook = WebhookChannel(try #require(WebhookAddress(server.address)), secret: nil, seconds: 120)
            var start: Int64 = 0
            try await ServerFixture.run(options: { $0.notices.channels = [webhook, mail] }) { fixture in
                fixture.clock.advance(seconds: 179 * Self.day + 3600)
                #expect(await eventually { (try? BoundedFile.read(out, limit: 65536)) != nil })
                #expect(await eventually { receiver.requests.count == 1 })
                let text = String(decoding: try BoundedFile.read(out, limit: 65536), as: UTF8.self)
                #expect(text.hasPrefix("Subject: [muster] "))
                #expect(text.contains("URGENT: ") && text.contains("\nTo: ops@example.org\n"))
                _ = try await fixture.login()
                start = MonotonicClock.milliseconds()
            }
            #expect(MonotonicClock.milliseconds() - start < 60_000)
        }
    }

    @Test("a mail command that fails is an event that says why, and the message waits")
    func mailFails() async throws {
        let folder = try TemporaryFolder()
        try AtomicFile.write(
            Array("#!/bin/sh\necho no mail server >&2\nexit 75\n".utf8),
            to: folder.file("sendmail"),
            mode: 0o755
        )
        let mail = try MailCommandChannel([folder.file("sendmail")])
        try await ServerFixture.run { options in
            options.notices.channels = [mail]
        } _: { fixture in
            fixture.clock.advance(seconds: 151 * Self.day)
            #expect(try await eventually { try await !events(fixture, "notice-failed").isEmpty })
            let why = try await events(fixture, "notice-failed").first?["detail"]?["why"]?.text
            #expect(why?.hasSuffix("exited with code 75: no mail server") == true)
            let waiting = try await fixture.server.service.store.read { try $0.waitingNotices() }
            #expect(waiting.contains { $0.failures >= 1 })
            fixture.clock.advance(seconds: 8 * Self.day)
            #expect(try await eventually { try await !events(fixture, "notice-given-up").isEmpty })
        }
    }

    @Test("without any channel expiries are events, and nothing waits")
    func eventsAlone() async throws {
        try await ServerFixture.run { fixture in
            fixture.clock.advance(seconds: 151 * Self.day)
            let announced = try await eventually { try await events(fixture, "expiry-announced").count == 3 }
            #expect(announced)
            #expect(try await fixture.server.service.store.read { try $0.waitingNotices() }.isEmpty)
        }
    }

    @Test("a node's key that was not replaced in time is announced, and quiet days of its life are not")
    func nodeKeys() async throws {
        try await ServerFixture.run { options in
            options.nodeKeyLifetime = 60 * Self.day
            options.notices.lookEvery = 0
        } _: { fixture in
            let secret = try await fixture.token(uses: 1, by: try await fixture.login())
            _ = try await fixture.node("web1", secret: secret)
            var said: [String] = []
            for (days, expected) in [(31, 0), (23, 1), (5, 2), (2, 3)] as [(Int64, Int)] {
                fixture.clock.advance(seconds: days * Self.day)
                let came = try await eventually { try await events(fixture, "expiry-announced").count >= expected }
                #expect(came)
                try await Task.sleep(for: .milliseconds(700))
                said = try await events(fixture, "expiry-announced").compactMap { $0["detail"]?["text"]?.text }
                #expect(said.count == expected)
            }
            #expect(
                said == [
                    "the key of node web1 expires in 5 days", "the key of node web1 expires in 23 hours",
                    "the key of node web1 expired 24 hours ago",
                ]
            )
        }
    }
}
