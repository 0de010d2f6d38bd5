import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterTestSupport
import Testing

@testable import MusterAgent

/// What sshd's log says of logins, and what others might want it to say.
@Suite("sshd's log lines")
struct SSHLogLineTests {
    private let fingerprint = "SHA256:KDTwWkMtK1ScMfIIYtJAIS+l8fUtR0PbYdNicBn4KoY"

    private func line(_ keyID: String, serial: String = "77") -> String {
        "Accepted publickey for root from 100.64.0.7 port 40084 ssh2: ED25519-CERT SHA256:y6mIrCqdPq ID \(keyID) "
            + "(serial \(serial)) CA ED25519 \(fingerprint)"
    }

    @Test("a login is read alike from the journal, from a log file, and from sshd -e")
    func places() throws {
        let message = line("ada/laptop/3f0c")
        let texts = [
            message, message + "\r", "Nov 23 04:43:54 web-1 sshd[1234]: " + message,
            "2026-11-23T04:43:54.123456+00:00 web-1 sshd-session[1234]: " + message,
        ]
        for text in texts {
            let login = try #require(SSHLogLine(text.utf8), "\(text)")
            #expect(login.user == "root" && login.address == "100.64.0.7")
            #expect(login.keyID == "ada/laptop/3f0c" && login.serial == 77 && login.authority == fingerprint)
        }
    }

    @Test("a key ID that looks like the end of the line changes nothing")
    func misleadingKeyID() throws {
        let keyID = "x (serial 5) CA ED25519 SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        let login = try #require(SSHLogLine(line(keyID).utf8))
        #expect(login.serial == 77 && login.keyID == keyID && login.authority == fingerprint)
        let strange = try #require(SSHLogLine(line("a from b port 1 ssh2: ID").utf8))
        #expect(strange.serial == 77 && strange.user == "root")
    }

    @Test("a line that was cut is told with serial 0, so that a long key ID hides nothing")
    func cutLine() throws {
        let whole = Array(line(String(repeating: "k", count: 500)).utf8)
        for end in stride(from: whole.count - 1, to: 200, by: -7) {
            let login = try #require(SSHLogLine(whole[..<end]))
            #expect(login.serial == 0 && login.authority == nil)
        }
    }

    @Test("bytes that are no text do not make a login longer than a report may carry")
    func noText() throws {
        let bad = [UInt8](repeating: 0xFF, count: 600)
        func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
        let line =
            bytes("Accepted publickey for ") + bad + bytes(" from ") + bad
            + bytes(" port 1 ssh2: ED25519-CERT SHA256:abc ID ") + bad + bytes(" (serial 77) CA ED25519 \(fingerprint)")
        let login = try #require(SSHLogLine(line))
        #expect(login.user.utf8.count <= 256 && login.address.utf8.count <= 256 && login.keyID.utf8.count <= 512)
        #expect(login.serial == 77 && !login.user.isEmpty)
        let reported = SSHReport.Login(
            serial: 77,
            keyID: login.keyID,
            user: login.user,
            address: login.address,
            time: UTCTime(seconds: 1)
        )
        #expect(try SSHReport(try JSONFields(SSHReport(logins: [reported]).json)).logins == [reported])
    }

    @Test("a login that makes no sense costs neither the report nor what else is kept")
    func badLogin() throws {
        let good: JSONValue = [
            "serial": 1, "key_id": "k", "user": "root", "address": "::1", "time": 1000, "number": 8,
        ]
        let bad: JSONValue = ["serial": -1, "key_id": "k", "user": "root", "address": "::1", "time": 1, "number": 9]
        // As an agent wrote it that let repaired text grow.
        let grown = String(repeating: "\u{FFFD}", count: 512)
        let long: JSONValue = [
            "serial": 2, "key_id": .string(grown), "user": .string(grown), "address": "::1", "time": 1000, "number": 9,
        ]
        let report = try SSHReport(try JSONFields(["logins": [good, bad, long]]))
        #expect(report.logins.map(\.serial) == [1, 2])
        #expect(report.logins[1].keyID.utf8.count <= 1024 && report.logins[1].user.utf8.count <= 256)
        let record = SSHLogRecord(
            try JSONFields(["newest": "x", "inode": -1, "offset": 7, "cursor": "c", "waiting": [good, bad, long]])
        )
        #expect(record.waiting.map(\.login.serial) == [1, 2] && record.newest == 9)
        #expect(record.position == nil && record.cursor == "c")
    }

    @Test("the largest serial is read, one more is not")
    func largestSerial() throws {
        #expect(SSHLogLine(line("k", serial: "18446744073709551615").utf8)?.serial == .max)
        #expect(SSHLogLine(line("k", serial: "18446744073709551616").utf8)?.serial == 0)
    }

    @Test("other lines, other programs and plain keys are no logins by certificate")
    func otherLines() {
        let texts = [
            "", "Accepted password for root from 1.2.3.4 port 1 ssh2",
            "Accepted publickey for root from 1.2.3.4 port 1 ssh2: ED25519 SHA256:abc",
            "Failed publickey for root from 1.2.3.4 port 1 ssh2: ED25519-CERT SHA256:abc ID x (serial 1) CA y",
            "Nov 23 04:43:54 web-1 app[1234]: " + line("k"), "Nov 23 web-1 sshd[x]: " + line("k"),
            "Nov 23 04:43:54 web-1 app[1]: user said: sshd: " + line("k"), "Accepted publickey for ",
        ]
        for text in texts { #expect(SSHLogLine(text.utf8) == nil, "\(text)") }
        #expect(SSHLogLine(Array(repeating: UInt8(ascii: "a"), count: 100_000)) == nil)
    }

    @Test("an entry of the journal gives its message, time and place; bytes that are no text too")
    func journal() throws {
        let json = """
            {"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1795408234000000","MESSAGE":"\(line("k"))","_COMM":"sshd"}
            """
        let entry = try #require(JournalLine(Array(json.utf8)))
        #expect(entry.cursor == "s=1;i=2" && entry.time?.milliseconds == 1_795_408_234_000)
        #expect(entry.messages.count == 1 && SSHLogLine(entry.messages[0])?.serial == 77)
        let bytes = try #require(JournalLine(Array("{\"__CURSOR\":\"c\",\"MESSAGE\":[255,65]}".utf8)))
        #expect(bytes.messages == [[255, 65]] && bytes.time == nil)
        #expect(JournalLine(Array("{\"MESSAGE\":\"x\"}".utf8)) == nil)
        let mixed = "{\"__CURSOR\":\"c\",\"MESSAGE\":[\"x\",[255,65],null,[300],7]}"
        #expect(JournalLine(Array(mixed.utf8))?.messages == [Array("x".utf8), [255, 65]])
        #expect(JournalLine.arguments(after: "c").suffix(3) == ["_UID=0", "--no-tail", "--after-cursor=c"])
        #expect(JournalLine.arguments(after: nil).suffix(3) == ["_UID=0", "-n", "0"])
    }

    @Test(
        "what Debian's journalctl prints of logins is read: text, bytes, two messages in one entry, none where it is too long"
    )
    func realJournal() throws {
        let text = try TestVectors.read("journalctl/logins.json")
        let entries = try text.split(separator: UInt8(ascii: "\n")).map { try #require(JournalLine(Array($0))) }
        let logins = entries.map { $0.messages.compactMap { SSHLogLine($0) } }
        #expect(
            logins.map { $0.map(\.serial) } == [[1], [2], [3], [26], [27], [28], [29, 30], [], [], [34], [35]]
        )
        #expect(logins[3].first?.keyID == "jörg" && logins[5].first?.keyID == "\u{FFFD}\u{FFFD}")
        #expect(entries[0].time?.milliseconds == 1_795_408_235_000)
        #expect(Set(entries.map(\.cursor)).count == entries.count)
        #expect(entries.allSatisfy { $0.cursor.hasPrefix("s=") && $0.cursor.contains(";b=0123456789abcdef") })
    }
}
