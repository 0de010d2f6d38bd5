import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterKeys
import MusterModel
import MusterStore
import MusterSystem
import MusterTestSupport
import NoticeDelivery
import Testing

@testable import MusterServer

/// People hear of a login by a certificate that was never issued, whatever happens to the service or the receiver.
@Suite("Notices of rogue logins")
struct RogueLoginNoticeTests {
    private func channel(_ server: LoopbackServer) throws -> WebhookChannel {
        WebhookChannel(try #require(WebhookAddress(server.address + "/hook")), secret: nil, seconds: 60)
    }

    private func report(_ serials: Int64..., by node: TestNode, _ fleet: SSHFleet) async throws {
        try await report(serials, by: node, fleet)
    }

    private func report(_ serials: [Int64], by node: TestNode, _ fleet: SSHFleet) async throws {
        let logins = serials.map { serial in
            SSHReport.Login(
                serial: serial,
                keyID: "ada/laptop/\(serial)",
                user: "root",
                address: "192.0.2.7",
                time: UTCTime(seconds: 1_795_408_451)
            )
        }
        try await node.report(ssh: SSHReport(logins: logins), to: fleet.fixture)
    }

    /// The serials in each message that came, by the name of the node.
    private func told(_ receiver: NoticeReceiver) -> [[String]] {
        receiver.notices.filter { $0["kind"]?.text == "rogue-login" }.map { notice in
            (notice["items"]?.elements ?? []).map { "\($0["name"]?.text ?? "") \($0["serial"]?.number ?? -1)" }
        }
    }

    private func waiting(_ fleet: SSHFleet) async throws -> [StoredNotice] {
        try await fleet.service.store.read { try $0.waitingNotices() }
    }

    @Test("the webhook is told once for each serial and node, at once, and the mail goes out too")
    func once() async throws {
        let receiver = NoticeReceiver()
        let folder = try TemporaryFolder()
        let out = folder.file("mail")
        try AtomicFile.write(Array("#!/bin/sh\ncat >> '\(out)'\n".utf8), to: folder.file("sendmail"), mode: 0o755)
        let mail = try MailCommandChannel([folder.file("sendmail")], recipients: ["ops@example.org"])
        try await LoopbackServer.run(answer: receiver.answer) { server in
            let webhook = try channel(server)
            try await SSHFleet.run(options: { $0.notices.channels = [webhook, mail] }) { fleet in
                let nodes = try await fleet.nodes(["alpha", "beta"])
                try await report(4711, 4712, by: nodes[0], fleet)
                #expect(await eventually { told(receiver) == [["alpha 4711", "alpha 4712"]] })
                // The node's log is read again, as after a restart of the agent.
                try await report(4711, 4712, 4713, by: nodes[0], fleet)
                try await report(4711, by: nodes[1], fleet)
                let all = [["alpha 4711", "alpha 4712"], ["alpha 4713"], ["beta 4711"]]
                #expect(await eventually { told(receiver) == all }, "\(told(receiver))")
                #expect(try await eventually { try await waiting(fleet).isEmpty })
                let notice = try #require(receiver.notices.first)
                #expect(notice["level"]?.text == "urgent" && notice["total"]?.number == 2)
                #expect(notice["fleet"]?.text == fleet.fleet.fleet.text)
                #expect(notice["items"]?.elements.first?["login"]?.text == "2026-11-23T04:34:11Z")
                let text = String(decoding: try BoundedFile.read(out, limit: 65536), as: UTF8.self)
                let subjects = text.split(separator: "\n").filter { $0.hasPrefix("Subject: ") }
                #expect(subjects.count == 3)
                #expect(
                    subjects.first?.hasPrefix("Subject: [muster] URGENT: rogue login on node alpha as root") == true
                )
            }
        }
    }

    @Test("a receiver that failed is told again, the same byte for byte, also of what came meanwhile")
    func again() async throws {
        let receiver = NoticeReceiver()
        receiver.answers(503)
        try await LoopbackServer.run(answer: receiver.answer) { server in
            let webhook = try channel(server)
            try await SSHFleet.run(options: { $0.notices.channels = [webhook] }) { fleet in
                let node = try await fleet.nodes(["alpha"])[0]
                try await report(4711, by: node, fleet)
                #expect(try await eventually { try await waiting(fleet).map(\.failures) == [1] })
                // A new one does not wait for the pause of the old one.
                try await report(4712, by: node, fleet)
                #expect(try await eventually { try await waiting(fleet).map(\.failures) == [1, 1] })
                #expect(told(receiver) == [["alpha 4711"], ["alpha 4712"]])
                receiver.answers(204)
                fleet.fixture.clock.advance(seconds: 61)
                #expect(try await eventually { try await waiting(fleet).isEmpty })
                #expect(told(receiver).count == 4 && Set(told(receiver)).count == 2)
                #expect(Set(receiver.requests.map(\.body)).count == 2)
                #expect(Set(receiver.requests.compactMap { $0.headers["muster-notice"] }).count == 2)
                #expect(try await fleet.events("notice-failed").count == 2)
            }
        }
    }

    @Test("a notice that waits when the service ends is delivered by the next one, and nothing is told twice")
    func restart() async throws {
        let receiver = NoticeReceiver()
        receiver.answers(500)
        let folder = "/tmp/muster-rogue-test-" + Hex.encode(RandomBytes.make(8))
        defer { removeTree(folder) }
        try await LoopbackServer.run(answer: receiver.answer) { server in
            let (first, second) = (try channel(server), try channel(server))
            var simulator: FleetSimulator?
            var known: NodeID?
            try await SSHFleet.run(in: folder, options: { $0.notices.channels = [first] }) { fleet in
                let node = try await fleet.nodes(["alpha"])[0]
                try await report(4711, by: node, fleet)
                #expect(await eventually { receiver.requests.count == 1 })
                (simulator, known) = (fleet.fleet, node.id)
            }
            receiver.answers(200)
            try await SSHFleet.run(
                in: folder,
                as: simulator,
                options: { options in
                    options.notices.channels = [second]
                    options.clock = { WallClock.now().adding(seconds: 60) }
                }
            ) { fleet in
                #expect(await eventually { receiver.requests.count == 2 })
                #expect(try await eventually { try await waiting(fleet).isEmpty })
                #expect(Set(receiver.requests.map(\.body)).count == 1)
                let node = try await TestNode(fleet.fixture, try #require(known), TestKey("node-alpha"))
                try await report(4711, by: node, fleet)
                try await report(4712, by: node, fleet)
                #expect(await eventually { told(receiver).last == ["alpha 4712"] })
                #expect(told(receiver) == [["alpha 4711"], ["alpha 4711"], ["alpha 4712"]])
            }
        }
    }

    @Test("a node that tells lies is noted a thousand times and no more; other nodes are heard as before")
    func flood() async throws {
        try await SSHFleet.run { fleet in
            let nodes = try await fleet.nodes(["alpha", "beta"])
            for start in stride(from: Int64(1_000_000), to: 1_001_200, by: 200) {
                try await report(Array(start..<(start + 200)), by: nodes[0], fleet)
            }
            try await report(4711, by: nodes[1], fleet)
            let events = try await fleet.service.store.read { try $0.events(after: 0, limit: 10_000) }
                .filter { $0["type"]?.text == "ssh-rogue-login" }
            #expect(events.count == StoreTransaction.rogueLoginLimit + 1)
            #expect(events.last?["detail"]?["name"]?.text == "beta")
        }
    }
}
