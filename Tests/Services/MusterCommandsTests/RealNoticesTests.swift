import ByteCoding
import CanonicalJSON
import MusterSystem
import MusterTestSupport
import Synchronization
import Testing

/// The real musterd tells a real receiver and a real program of what is about to expire.
@Suite
struct RealNoticesTests {
    private final class Receiver: Sendable {
        private let taken = Mutex([LoopbackServer.Request]())

        var requests: [LoopbackServer.Request] { taken.withLock { $0 } }

        @Sendable func answer(_ request: LoopbackServer.Request) async -> LoopbackServer.Reply {
            taken.withLock { $0.append(request) }
            return LoopbackServer.Reply(204)
        }
    }

    @Test(
        "a fleet whose metadata expires in five days is announced by webhook, mail and events, and survives a restart quietly"
    )
    func announced() async throws {
        let folder = try TemporaryFolder()
        let mail = folder.file("mail")
        let script = "#!/bin/sh\nprintf '%s|' \"$@\" >> '\(mail).arguments'\ncat >> '\(mail)'\n"
        try AtomicFile.write(Array(script.utf8), to: folder.file("send mail"), mode: 0o755)
        try AtomicFile.write(Array("a secret of both sides\n".utf8), to: folder.file("secret"))
        let receiver = Receiver()
        try await LoopbackServer.run(answer: receiver.answer) { server in
            try AtomicFile.write(Array("\(server.address)/T0PSECRET\n".utf8), to: folder.file("address"))
            let options = [
                "--notify-webhook-file", folder.file("address"), "--notify-webhook-secret-file", folder.file("secret"),
                "--notify-command", "'\(folder.file("send mail"))' -t 'two words'", "--notify-to", "ops@example.org",
                "--digest-hour", "3",
            ]
            try await Workshop.real(options) { workshop in
                let ada = try await workshop.person("ada")
                try await ada.makesFleet(["--expires-days", "5"])
                for _ in 0..<1200 where receiver.requests.isEmpty || !Directory.exists(mail) {
                    try await Task.sleep(for: .milliseconds(50))
                }
                let request = try #require(receiver.requests.first)
                #expect(request.path == "/T0PSECRET")
                #expect(request.headers["muster-signature"]?.hasPrefix("sha256=") == true)
                let notice = try JSONValue.parse(request.body, limit: 1 << 20)
                #expect(notice["level"]?.text == "warning")
                let names = (notice["items"]?.elements ?? []).compactMap { $0["name"]?.text }.sorted()
                #expect(names == ["ada", "policy", "releases", "root", "targets"])
                let text = String(decoding: try BoundedFile.read(mail, limit: 65536), as: UTF8.self)
                #expect(text.hasPrefix("Subject: [muster] warning: "))
                #expect(text.contains("\nTo: ops@example.org\n") && text.contains("  muster fleet renew\n"))
                let words = String(decoding: try BoundedFile.read(mail + ".arguments", limit: 4096), as: UTF8.self)
                #expect(words == "-t|two words|")
                let events = await ada.muster("events").output.split(separator: "\n")
                #expect(events.count { $0.contains(" expiry-announced musterd ") } == 5)
                #expect(receiver.requests.count == 1)
            }
        }
    }

    @Test(
        "a service does not start with notices that it could not send",
        arguments: [
            ["--notify-webhook", "ftp://h/"], ["--notify-webhook-file", "/does/not/exist"], ["--notify-to", "a@b"],
            ["--notify-command", "sendmail"], ["--notify-command", "/does/not/exist"], ["--digest-hour", "24"],
            ["--notify-webhook", "http://h/", "--notify-webhook-secret-file", "/does/not/exist"],
            ["--notify-webhook-secret-file", "/etc/hostname"],
        ]
    )
    func refused(options: [String]) async throws {
        let folder = try TemporaryFolder()
        let arguments = ["serve", "--state-dir", folder.file("service"), "--listen", "127.0.0.1:0"] + options
        let status = try await RunningProgram.run(
            try BuiltProgram("musterd").path,
            arguments,
            log: folder.file("log"),
            timeout: .seconds(30)
        )
        #expect(status == 1 || status == 64)
    }
}
