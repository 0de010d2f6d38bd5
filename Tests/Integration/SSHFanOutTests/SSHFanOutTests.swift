import ByteCoding
import Glibc
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import RemoteShell
import Testing

@Suite("Commands over SSH, on many machines at once", .enabled(if: SSHDFixture.obstacle == nil))
struct SSHFanOutTests {
    private let shell: RemoteShell

    init() throws {
        shell = try RemoteShell()
    }

    @Test("An allowed command runs on a hundred addresses, and the sessions are used again")
    func hundred() async throws {
        try await SSHMachines.with(daemons: 7, addresses: 15) { machines in
            let line = try SSHMachines.line(["/bin/echo", "hello", "fleet"])
            let identity = try SSHMachines.identity { $0.forceCommand = line }
            let hosts = try (0..<100).map { try machines.host($0) }
            let outputs = try await withThrowingTaskGroup(of: String.self) { group in
                for host in hosts {
                    group.addTask {
                        let session = try await shell.connect(host, as: identity, timeout: .seconds(60))
                        let gathered = Gathered()
                        for _ in 0..<2 {
                            let command = RemoteCommand(line, timeout: .seconds(300))
                            let outcome = try await session.run(command, onOutput: gathered.take)
                            #expect(outcome.status == .exited(0) && outcome.stop == nil)
                        }
                        return gathered.text()
                    }
                }
                return try await group.reduce(into: [String]()) { $0.append($1) }
            }
            #expect(outputs == Array(repeating: "hello fleet\nhello fleet\n", count: 100))
            let logins = machines.daemons.map { $0.log.split(separator: "Accepted publickey").count - 1 }
            #expect(logins.reduce(0, +) == 100)
        }
    }

    @Test("A server with another host key than the node's record has is refused before anybody logs in")
    func wrongHostKey() async throws {
        try await SSHMachines.with { machines in
            let host = try machines.host(hostKeys: [TestKey("somebody else").ssh])
            let identity = try SSHMachines.identity()
            let error = await #expect(throws: RemoteShellError.self) { try await shell.connect(host, as: identity) }
            #expect(error?.code == .hostKey)
            #expect(error?.message.contains("but the node's record has ssh-ed25519 SHA256:") == true)
            #expect(!machines.daemons[0].log.contains("Accepted"))
        }
    }

    @Test("A server whose host key is revoked is refused, although the record names the key")
    func revokedHostKey() async throws {
        try await SSHMachines.with { machines in
            let key = try machines.daemons[0].hostKey
            let list = try SSHRevocations(keys: [key]).list(version: 1, date: WallClock.now())
            let host = try machines.host(revoked: list)
            let identity = try SSHMachines.identity()
            let error = await #expect(throws: RemoteShellError.self) { try await shell.connect(host, as: identity) }
            #expect(error?.code == .revokedHostKey)
            #expect(!machines.daemons[0].log.contains("Accepted"))
        }
    }

    @Test("No host key, no login: a node whose record has none is not even connected to")
    func noHostKey() async throws {
        let host = RemoteHost(address: "127.0.0.1", port: 1, user: "root", hostKeys: [])
        let identity = try SSHMachines.identity()
        let error = await #expect(throws: RemoteShellError.self) { try await shell.connect(host, as: identity) }
        #expect(error?.code == .hostKey)
    }

    @Test("An expired certificate, another account's and one from another address are denied")
    func denied() async throws {
        try await SSHMachines.with { machines in
            let host = try machines.host()
            let changes: [@Sendable (inout CertificateDraft) -> Void] = [
                { $0.validBefore = WallClock.now().adding(seconds: -1) },
                { $0.principals = ["somebody"] },
                { $0.sourceAddress = "192.0.2.1/32" },
            ]
            for change in changes {
                let identity = try SSHMachines.identity(change)
                let error = await #expect(throws: RemoteShellError.self) {
                    try await shell.connect(host, as: identity)
                }
                #expect(error?.code == .denied)
            }
        }
    }

    @Test("Whoever asks for another command gets the forced one, and cannot feed it")
    func forcedCommand() async throws {
        try await SSHMachines.with { machines in
            let file = machines.folder.file("touched")
            let line = try SSHMachines.line(["/bin/sh"])
            let identity = try SSHMachines.identity { $0.forceCommand = line }
            let session = try await shell.connect(try machines.host(), as: identity)
            let outcome = try await session.run(RemoteCommand("touch \(file)", input: Array("touch \(file)\n".utf8)))
            #expect(outcome.status != nil)
            #expect(access(file, F_OK) != 0)
        }
    }

    @Test("What hangs in the key exchange costs its own time only; what closes is said to have closed")
    func unhelpful() async throws {
        let identity = try SSHMachines.identity()
        func attempt(_ port: UInt16) async throws -> RemoteShellError? {
            let key = try TestKey("host").ssh
            let host = RemoteHost(address: "127.0.0.1", port: port, user: "root", hostKeys: [key])
            return await #expect(throws: RemoteShellError.self) {
                try await shell.connect(host, as: identity, timeout: .milliseconds(700))
            }
        }
        for greeting in ["", "SSH-2.0-OpenSSH_9.2\r\n"] {
            let error = try await UnhelpfulServer.with(greeting: greeting) { _, port in try await attempt(port) }
            #expect(error?.code == .timeout)
            #expect(error?.message.contains("the key exchange does not end") == true)
        }
        let closed = try await UnhelpfulServer.with(hangsUp: true) { _, port in try await attempt(port) }
        #expect(closed?.code == .handshake)
        let http = try await UnhelpfulServer.with(greeting: "HTTP/1.1 400 Bad\r\n\r\n", hangsUp: true) { _, port in
            try await attempt(port)
        }
        #expect(http?.code == .handshake)
        let nobody = try await attempt(1)
        #expect(nobody?.code == .unreachable)
    }

    @Test("No more logins are under way at once than the window lets in, on one machine and in all")
    func window() async throws {
        let identity = try SSHMachines.identity()
        let key = try TestKey("host").ssh
        for window in [SessionWindow(logins: 64, loginsPerMachine: 3), SessionWindow(logins: 2, loginsPerMachine: 9)] {
            let shell = try RemoteShell(window: window)
            try await UnhelpfulServer.with { server, port in
                let host = RemoteHost(address: "127.0.0.1", port: port, user: "root", hostKeys: [key])
                let codes = await withTaskGroup(of: RemoteShellError.Code?.self) { group in
                    for _ in 0..<9 {
                        group.addTask {
                            do throws(RemoteShellError) {
                                _ = try await shell.connect(host, as: identity, timeout: .seconds(1))
                                return nil
                            } catch {
                                return error.code
                            }
                        }
                    }
                    return await group.reduce(into: []) { $0.append($1) }
                }
                #expect(codes == Array(repeating: .timeout, count: 9))
                #expect(server.most == min(window.logins, window.loginsPerMachine))
            }
        }
    }
}
