import Glibc
import MusterIdentity
import MusterSystem
import MusterTestSupport
import NoticeDelivery
import Testing

/// Mail commands as real programs.
@Suite struct MailCommandChannelTests {
    private func script(_ folder: TemporaryFolder, _ text: String) throws -> String {
        let path = folder.file("sendmail")
        try AtomicFile.write(Array("#!/bin/sh\n\(text)\n".utf8), to: path, mode: 0o755)
        return path
    }

    private func deliver(_ channel: MailCommandChannel) async throws -> String? {
        let message = try WebhookChannelTests.message()
        do throws(NoticeDeliveryError) {
            try await channel.deliver(channel.bytes(message), id: message.id)
            return nil
        } catch {
            return error.message
        }
    }

    @Test("the program gets the whole message on standard input and its arguments as they are")
    func delivers() async throws {
        let folder = try TemporaryFolder()
        let program = try script(folder, "cat > \"$1\"; printf '%s|' \"$@\" > \"$1.arguments\"")
        let out = folder.file("out")
        let channel = try MailCommandChannel([program, out, "a b", "$(id)", "-t"], recipients: ["ops@example.org"])
        #expect(try await deliver(channel) == nil)
        let mail = String(decoding: try BoundedFile.read(out, limit: 65536), as: UTF8.self)
        #expect(
            mail.hasPrefix("Subject: [muster] warning: the key of node web1 expires in 6 days\nTo: ops@example.org\n")
        )
        #expect(mail.contains("\n\n* the key of node web1"))
        let arguments = String(decoding: try BoundedFile.read(out + ".arguments", limit: 65536), as: UTF8.self)
        #expect(arguments == "\(out)|a b|$(id)|-t|")
    }

    @Test("a program that fails says how and with what words")
    func fails() async throws {
        let folder = try TemporaryFolder()
        let channel = try MailCommandChannel([try script(folder, "echo first >&2; echo no route >&2; exit 75")])
        #expect(try await deliver(channel)?.hasSuffix("sendmail exited with code 75: no route") == true)
    }

    @Test("a program that reads nothing is no trouble")
    func readsNothing() async throws {
        let folder = try TemporaryFolder()
        #expect(try await deliver(try MailCommandChannel([try script(folder, "exit 0")])) == nil)
    }

    @Test("a program that hangs is ended, with what it started")
    func hangs() async throws {
        let folder = try TemporaryFolder()
        let program = try script(folder, "trap '' TERM; sleep 60 & echo $! > '\(folder.file("pid"))'; wait; wait")
        let start = MonotonicClock.milliseconds()
        let failure = try await deliver(try MailCommandChannel([program], timeout: .milliseconds(500)))
        #expect(failure?.contains("did not end in time") == true)
        #expect(MonotonicClock.milliseconds() - start < 20_000)
        let text = String(decoding: try BoundedFile.read(folder.file("pid"), limit: 64), as: UTF8.self)
        let pid = try #require(Int32(text.filter(\.isNumber)))
        var gone = false
        for _ in 0..<1200 where !gone {
            gone = kill(pid, 0) != 0
            if !gone { try await Task.sleep(for: .milliseconds(50)) }
        }
        #expect(gone)
    }

    @Test("a command is an absolute path to a program that is there")
    func commands() throws {
        #expect(throws: NoticeDeliveryError.self) { try MailCommandChannel([]) }
        #expect(throws: NoticeDeliveryError.self) { try MailCommandChannel(["sendmail"]) }
        #expect(throws: NoticeDeliveryError.self) { try MailCommandChannel(["/does/not/exist"]) }
        let channel = try MailCommandChannel(["/bin/cat"])
        #expect(channel.id != (try MailCommandChannel(["/bin/cat"], recipients: ["a"])).id)
        #expect(
            (try MailCommandChannel(["/bin/cat", "ab", "c"])).id
                != (try MailCommandChannel(["/bin/cat", "a", "bc"])).id
        )
    }
}
