import ByteCoding
import Glibc
import MusterModel
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import Testing

/// `muster-agent ssh-principals` as sshd runs it, without sshd.
@Suite(
    "The principals command",
    .enabled(if: SSHDFixture.obstacle == nil, "\(SSHDFixture.obstacle ?? "")"),
    .timeLimit(.minutes(60))
)
struct PrincipalsCommandTests {
    @Test("prints the account for an honest certificate and nothing for any other, and logs the reason")
    func decisions() async throws {
        try await withSSHNode { node in
            let log = try LogSocket(node.folder.file("log"))
            let honest = try await run(node, try node.certificate(), log)
            #expect(honest.status == 0 && honest.output == SSHDFixture.user + "\n")
            #expect(honest.log.contains("allowed by rule 'logins'"), "\(honest.log)")
            #expect(honest.log.hasPrefix("<86>"), "\(honest.log)")
            let bare = try node.draft(nil).signed(by: FleetSimulator.userAuthority)
            let refused = try await run(node, bare, log)
            #expect(refused.status == 1 && refused.output == "")
            #expect(refused.log.contains("carries no statement"), "\(refused.log)")
            let strange = try node.draft(try node.statement(try node.body())).signed(by: TestKey("other CA"))
            #expect(try await run(node, strange, log).log.contains("no user CA of this fleet"))
        }
    }

    @Test("lets nobody in when the policy is over, the clock was set back, or the file is damaged")
    func failsClosed() async throws {
        try await withSSHNode { node in
            let log = try LogSocket(node.folder.file("log"))
            let certificate = try node.certificate()
            let path = node.file("login.json")
            let text = String(decoding: try BoundedFile.read(path, limit: 1 << 20), as: UTF8.self)
            func change(_ key: String, _ time: UTCTime) throws -> [UInt8] {
                // The last of that name is the file's own, not the policy's.
                let parts = text.split(separator: "\"\(key)\":", omittingEmptySubsequences: false)
                #expect(parts.count > 1)
                let tail = parts.map { part in
                    let rest = part.drop { $0 == " " }
                    return rest.hasPrefix("\"20") ? "\"\(time)\"" + rest.dropFirst(22) : String(part)
                }
                return Array(tail.joined(separator: "\"\(key)\":").utf8)
            }
            try AtomicFile.write(try change("expires", WallClock.now().adding(seconds: -5)), to: path, mode: 0o644)
            let over = try await run(node, certificate, log)
            #expect(over.status == 1 && over.output == "")
            #expect(over.log.contains("expired"), "\(over.log)")
            // The agent has seen a later moment than the clock shows: the certificate is over by then.
            try AtomicFile.write(try change("time", WallClock.now().adding(seconds: 7200)), to: path, mode: 0o644)
            #expect(try await run(node, certificate, log).status == 1)
            for damage in ["", "{}", String(text.dropLast(20)), text + "x"] {
                try AtomicFile.write(Array(damage.utf8), to: path, mode: 0o644)
                let outcome = try await run(node, certificate, log)
                #expect(outcome.status == 1 && outcome.output == "")
            }
            try AtomicFile.write(Array(text.utf8), to: path, mode: 0o644)
            #expect(try await run(node, certificate, log).status == 0)
        }
    }

    @Test("what is no certificate is refused without a crash, and cannot forge a line of the log")
    func nonsense() async throws {
        try await withSSHNode { node in
            let log = try LogSocket(node.folder.file("log"))
            let honest = try node.certificate().blob
            var generator = SeededGenerator(seed: 4)
            for round in 0..<12 {
                var bytes = honest
                for _ in 0...round { bytes[Int(generator.next() % UInt64(bytes.count))] ^= UInt8(1 << (round % 8)) }
                let outcome = try await run(node, user: SSHDFixture.user, Base64.encode(bytes), log)
                #expect(outcome.status == 1 && outcome.output == "")
            }
            let forged = "root\n<0>Jan  1 00:00:00 sshd[1]: Accepted publickey for root"
            let outcome = try await run(node, user: forged, Base64.encode(honest), log)
            #expect(outcome.status == 1 && !outcome.log.contains("\n"))
            for text in ["", "AAAA", "no base64", String(repeating: "A", count: 100_000)] {
                #expect(try await run(node, user: "root", text, log).status == 1)
            }
        }
    }

    private func run(_ node: SSHNode, _ certificate: SSHCertificate, _ log: LogSocket) async throws -> Outcome {
        try await run(node, user: SSHDFixture.user, Base64.encode(certificate.blob), log)
    }

    private func run(_ node: SSHNode, user: String, _ text: String, _ log: LogSocket) async throws -> Outcome {
        let result = try await Command(
            try BuiltProgram("muster-agent").path,
            [
                "ssh-principals", "--login", node.file("login.json"), "--log-socket", log.path, "--", user, text,
            ]
        ).run(timeout: .seconds(60))
        guard case .exited(let status) = result.ending else { throw SystemError("run", "it", because: "a signal") }
        return Outcome(status: status, output: result.outputText, log: log.receive())
    }

    private struct Outcome {
        let status: Int32
        let output: String
        let log: String
    }
}

/// A place where the system's log would listen.
final class LogSocket {
    let path: String
    private let descriptor: Int32

    init(_ path: String) throws {
        self.path = path
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let code = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard code == 0 else { throw SystemError("listen at", path, errno: errno) }
    }

    deinit { close(descriptor) }

    /// The oldest line that waits; empty where there is none.
    func receive() -> String {
        var buffer = [UInt8](repeating: 0, count: 65536)
        let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : ""
    }
}
