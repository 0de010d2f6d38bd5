import ByteCoding
import CanonicalJSON
import MusterIdentity
import MusterModel
import MusterTestSupport
import Testing

@Suite struct NoticeMessageTests {
    private static let time = UTCTime(seconds: 1_795_408_451)

    private static func notice(
        _ name: String,
        days: Double,
        kind: ExpirySubject.Kind = .nodeKey
    ) throws -> ExpiryNotice {
        let expires = time.adding(milliseconds: Int64(days * 86_400_000))
        let subject = ExpirySubject(kind: kind, id: name, name: name, expires: expires)
        return ExpiryNotice(subject: subject, threshold: try #require(subject.threshold(at: time)), time: time)
    }

    private static func message(_ notices: [ExpiryNotice], _ kind: NoticeMessage.Kind = .expiry) throws -> NoticeMessage
    {
        try #require(NoticeMessage(id: "0f", fleet: nil, kind: kind, time: time, notices: notices))
    }

    private static func mail(_ message: NoticeMessage, to: [String] = []) -> [String] {
        String(decoding: NoticeMail(message, recipients: to).bytes, as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    @Test("a mail says in its subject what expires first and how loud that is")
    func mail() throws {
        let notices = [try Self.notice("web2", days: 20), try Self.notice("web1", days: 6)]
        let lines = Self.mail(try Self.message(notices), to: ["ops@example.org", "ada@example.org"])
        #expect(
            lines == [
                "Subject: [muster] warning: the key of node web1 expires in 6 days, and 1 more",
                "To: ops@example.org,", " ada@example.org", "Date: Mon, 23 Nov 2026 04:34:11 +0000",
                "Message-ID: <0f@none.muster>", "Auto-Submitted: auto-generated", "Importance: normal",
                "X-Muster-Level: warning", "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
                "Content-Transfer-Encoding: 8bit", "",
                "* the key of node web1 expires in 6 days (2026-11-29T04:34:11Z)",
                "  its agent should have rotated the key by itself; see why it has not: muster node show web1",
                "* the key of node web2 expires in 20 days (2026-12-13T04:34:11Z)",
                "  its agent should have rotated the key by itself; see why it has not: muster node show web2", "",
                "-- ",
                "musterd, fleet none", "",
            ]
        )
    }

    @Test("a name with line breaks and controls adds no header and no line")
    func headerInjection() throws {
        let evil = "web1\r\nBcc: thief@example.org\r\n\r\nhello\u{2028}x\u{202E}y\u{0}"
        let honest = Self.mail(try Self.message([try Self.notice("web1", days: 6)]))
        for kind in ExpirySubject.Kind.allCases {
            let lines = Self.mail(try Self.message([try Self.notice(evil, days: 6, kind: kind)]))
            #expect(lines.count == honest.count)
            #expect(!lines.contains { $0.hasPrefix("Bcc") || $0.contains("\r") || $0.contains("\u{202E}") })
            #expect(lines[0].utf8.allSatisfy { (0x20...0x7E).contains($0) })
        }
    }

    @Test("a recipient with a line break adds no header")
    func recipientInjection() throws {
        let lines = Self.mail(try Self.message([try Self.notice("web1", days: 6)]), to: ["a@b\nBcc: c@d"])
        #expect(lines[1] == "To: a@b?Bcc: c@d")
    }

    @Test("a webhook gets the loudest level, every item and how many there are")
    func json() throws {
        let notices = try (0..<250).map { try Self.notice("n\($0)", days: Double($0) / 10) }
        let json = try Self.message(notices, .digest).json
        #expect(json["_type"]?.text == "muster-notice")
        #expect(json["level"]?.text == "urgent")
        #expect(json["total"]?.number == 250)
        #expect(json["kind"]?.text == "digest")
        let items = json["items"]?.elements ?? []
        #expect(items.count == NoticeMessage.itemLimit)
        #expect(items.first?["id"]?.text == "n0")
        #expect(items.first?["days"]?.number == 0)
        #expect(items.first?["text"]?.text == "the key of node n0 expired 0 minutes ago")
        #expect(json["title"]?.text?.hasPrefix("daily digest: URGENT: ") == true)
    }

    @Test("what to do is said for every kind of subject")
    func advice() throws {
        let expected: [(ExpirySubject.Kind, String, String)] = [
            (.nodeKey, "web1", "muster node extend web1"), (.tailnetKey, "web1", "tailscale up --force-reauth"),
            (.operatorKey, "SHA256:x", "muster policy publish"), (.metadata, "root", "muster fleet renew"),
            (.metadata, "targets", "muster fleet renew"), (.metadata, "releases", "muster release renew"),
            (.metadata, "policy", "muster policy publish"),
        ]
        for (kind, id, words) in expected {
            #expect(try Self.notice(id, days: 0, kind: kind).advice.contains(words))
        }
    }

    private static func rogue(
        _ serial: Int64,
        keyID: String = "ada/laptop/x",
        user: String = "root"
    ) throws
        -> RogueLoginNotice
    {
        RogueLoginNotice(
            node: try #require(NodeID("node-web1")),
            name: "web1",
            serial: serial,
            keyID: keyID,
            user: user,
            address: "192.0.2.7",
            login: time,
            why: "no certificate with this serial was ever issued"
        )
    }

    @Test("a rogue login is urgent, names node, account, source and serial, and says what to do")
    func rogueLogin() throws {
        let notices = [try Self.rogue(4711), try Self.rogue(0)]
        let message = try #require(NoticeMessage(id: "0f", fleet: nil, time: Self.time, rogueLogins: notices))
        let first =
            "rogue login on node web1 as root from 192.0.2.7 by certificate 4711: "
            + "no certificate with this serial was ever issued"
        let advice = "somebody may have the key of an SSH CA: end the session, "
        let rest = "and unless somebody can explain it replace the CA: muster ssh rotate user"
        let lines = Self.mail(message)
        #expect(lines.first == "Subject: [muster] URGENT: \(first), and 1 more")
        #expect(lines.contains("X-Muster-Level: urgent") && lines.contains("Importance: high"))
        #expect(
            lines.suffix(8) == [
                "* \(first) (2026-11-23T04:34:11Z)",
                "  \(advice)muster ssh revoke --serial 4711 --reason TEXT, \(rest)",
                "* \(first.replacing("4711", with: "0")) (2026-11-23T04:34:11Z)", "  \(advice)\(rest)", "", "-- ",
                "musterd, fleet none", "",
            ]
        )
        let expected: JSONValue = [
            "_type": "muster-notice", "id": "0f", "fleet": .null, "kind": "rogue-login", "level": "urgent",
            "time": "2026-11-23T04:34:11Z", "title": .string("URGENT: \(first)"), "total": 1,
            "items": [
                [
                    "subject": "rogue-login", "id": "node-web1", "name": "web1", "serial": 4711,
                    "key_id": "ada/laptop/x", "user": "root", "address": "192.0.2.7",
                    "login": "2026-11-23T04:34:11Z", "why": "no certificate with this serial was ever issued",
                    "level": "urgent", "text": .string(first),
                    "advice": .string("\(advice)muster ssh revoke --serial 4711 --reason TEXT, \(rest)"),
                ]
            ],
        ]
        let single = NoticeMessage(id: "0f", fleet: nil, time: Self.time, rogueLogins: [try Self.rogue(4711)])
        #expect(single?.json == expected)
    }

    @Test("what a thief calls himself adds no header and no line, and more logins than fit are counted")
    func rogueInjection() throws {
        let evil = "x\r\nBcc: thief@example.org\r\n\r\nhello\u{2028}x"
        let notices = try (1...250).map { try Self.rogue($0, keyID: evil, user: evil) }
        let message = try #require(NoticeMessage(id: "0f", fleet: nil, time: Self.time, rogueLogins: notices))
        let lines = Self.mail(message)
        #expect(lines.count == 10 + 2 * NoticeMessage.itemLimit + 5)
        #expect(!lines.contains { $0.hasPrefix("Bcc") || $0.contains("\r") })
        #expect(lines[lines.count - 5] == "… and 50 more: muster events")
    }

    @Test("no message is made of nothing")
    func empty() {
        #expect(NoticeMessage(id: "0f", fleet: nil, kind: .digest, time: Self.time, notices: []) == nil)
    }
}
