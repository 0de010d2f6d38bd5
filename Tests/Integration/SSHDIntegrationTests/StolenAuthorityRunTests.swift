import ByteCoding
import CanonicalJSON
import Glibc
import MusterModel
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import Testing

/// Runs over SSH, with a stolen CA key: no certificate opens a door but for exactly the line that everybody signed.
extension StolenCertificateAuthorityTests {
    /// A certificate for a run, changed after an honest service would have made it.
    private func draft(
        _ node: SSHNode,
        _ statement: SignedStatement,
        key: TestKey = SSHNode.key,
        _ change: (inout CertificateDraft) throws -> Void = { _ in }
    ) throws -> CertificateDraft {
        var draft = try node.draft(statement, key: key)
        try change(&draft)
        return draft
    }

    @Test("run: control: a certificate for a run carries out its command, whatever the client asks for")
    func honestRun() async throws {
        try await withSSHNode(lines: ["AcceptEnv *"]) { node in
            let run = try node.statement(.run(try node.run("greet", ["name": ["all of you"]])))
            let certificate = try node.draft(run).signed(by: Self.authority)
            let outcome = try await node.logIn(certificate, command: "rm -rf /nowhere")
            #expect(outcome.status == 0)
            #expect(outcome.output == "welcome all of you\n")
            // Nothing of the session reaches the process.
            let listing = try node.statement(.run(try node.run("environment")))
            let identity = try node.sshd.identity(SSHNode.key, try node.draft(listing).signed(by: Self.authority))
            let seen = try await node.sshd.ssh(identity + ["-o", "SetEnv=EVIL=1 LC_EVIL=1"])
            let names = seen.output.split(separator: "\n").compactMap { $0.split(separator: "=").first }
            #expect(names.sorted() == ["HOME", "LOGNAME", "MUSTER_RUN", "PATH", "SHELL", "USER"], "\(seen)")
            #expect(seen.output.contains("MUSTER_RUN=\(listing.statement.id)"))
        }
    }

    @Test("run: a forged statement, another's, or one without enough approvals lets nobody in")
    func forgedRun() async throws {
        try await withSSHNode { node in
            let thief = Self.thief
            let body = try node.run(key: thief)
            var byThief = try node.statement(.run(body))
            byThief.signatures = [
                try thief.sshSignature(of: byThief.signedBytes, namespace: StatementType.run.namespace)
            ]
            var byCA = byThief
            byCA.signatures = [
                try Self.authority.sshSignature(of: byCA.signedBytes, namespace: StatementType.run.namespace)
            ]
            var unsigned = byThief
            unsigned.signatures = []
            let stolen = try node.statement(.run(try node.run()))
            let doubled = try node.statement(.run(body), by: ["ben", "ben"])
            try await expectNoLogin(
                node,
                [
                    ("signed by the thief", try draft(node, byThief, key: thief), thief),
                    ("signed by the CA", try draft(node, byCA, key: thief), thief),
                    ("unsigned", try draft(node, unsigned, key: thief), thief),
                    ("another's run", try draft(node, stolen, key: thief), thief),
                    ("by nobody", try draft(node, try node.statement(.run(body), by: ["eve"]), key: thief), thief),
                    (
                        "without approval", try draft(node, try node.statement(.run(body), by: ["ben"]), key: thief),
                        thief
                    ),
                    ("approved by its requester", try draft(node, doubled, key: thief), thief),
                ]
            )
        }
    }

    @Test("run: a certificate that forces another command, or none, or gives a session anything lets nobody in")
    func alteredRun() async throws {
        try await withSSHNode { node in
            let run = try node.statement(.run(try node.run("greet", ["name": ["all"]])))
            let key = SSHNode.key
            let line = try #require(try node.draft(run).forceCommand)
            let shell = try node.statement(.run(try node.run("shell")))
            try await expectNoLogin(
                node,
                [
                    ("no command", try draft(node, run) { $0.forceCommand = nil }, key),
                    ("a shell", try draft(node, run) { $0.forceCommand = "/bin/sh -c 'echo welcome'" }, key),
                    ("a longer command", try draft(node, run) { $0.forceCommand = line + "; echo welcome" }, key),
                    ("another word", try draft(node, run) { $0.forceCommand = line.replacing("all", with: "al") }, key),
                    ("the line of another run", try draft(node, shell) { $0.forceCommand = line }, key),
                    ("a terminal", try draft(node, run) { $0.permissions = ["permit-pty"] }, key),
                    ("forwarding", try draft(node, run) { $0.permissions = ["permit-port-forwarding"] }, key),
                    ("an agent", try draft(node, run) { $0.permissions = ["permit-agent-forwarding"] }, key),
                    ("no source address", try draft(node, run) { $0.sourceAddress = nil }, key),
                    ("another source address", try draft(node, run) { $0.sourceAddress = "192.0.2.1/32" }, key),
                    ("another account besides", try draft(node, run) { $0.principals.append("daemon") }, key),
                ]
            )
        }
    }

    @Test("run: changed arguments, another definition, or a command that no rule allows lets nobody in")
    func otherRun() async throws {
        try await withSSHNode { node in
            let key = SSHNode.key
            var changed = try node.statement(.run(try node.run("greet", ["name": ["all"]])))
            guard case .object(var members) = changed.signed else { return }
            members["arguments"] = ["name": ["none"]]
            let envelope: JSONValue = [
                "signed": .object(members), "signatures": [.string(Base64.encode(changed.signatures[0]))],
            ]
            changed = try SignedStatement(try JSONFields(envelope))
            var own = try node.run("greet")
            own.definition = try node.fleet.definition("shell")
            let bad = try node.statement(.run(try node.run("greet", ["name": ["$(id)"]])))
            let notHis = try node.statement(.run(try node.run("shell")), by: ["ben", "cat"])
            try await expectNoLogin(
                node,
                [
                    ("changed arguments", try draft(node, changed), key),
                    ("another definition", try draft(node, try node.statement(.run(own))), key),
                    ("an argument that is not allowed", try draft(node, bad) { $0.forceCommand = "id" }, key),
                    ("a command that his rule does not allow", try draft(node, notHis), key),
                ]
            )
        }
    }

    @Test("run: expired, too early, too long, or for another node lets nobody in")
    func runElsewhereAndLater() async throws {
        try await withSSHNode { node in
            let now = WallClock.now()
            let key = SSHNode.key
            let body = try node.run()
            let elsewhere = try #require(NodeID("node-2"))
            let old = try node.statement(.run(body), lifetime: 600, issued: now.adding(seconds: -900))
            let future = try node.statement(.run(body), issued: now.adding(seconds: 1800))
            let endless = try node.statement(.run(body), lifetime: 8 * 86400)
            var later = body
            later.notBefore = now.adding(seconds: 300)
            let short = try node.statement(.run(try node.run(seconds: 30)))
            let other = try node.statement(.run(try node.run(nodes: [elsewhere])))
            try await expectNoLogin(
                node,
                [
                    ("expired", try draft(node, old), key), ("of the future", try draft(node, future), key),
                    ("for more than a week", try draft(node, endless), key),
                    ("before its time", try draft(node, try node.statement(.run(later))), key),
                    ("for longer than was signed", try draft(node, short), key),
                    ("for another node", try draft(node, other), key),
                ]
            )
        }
    }

    @Test("run: one for agents opens no door, and neither does a run's signature under a login")
    func runForAgents() async throws {
        try await withSSHNode { node in
            let key = SSHNode.key
            let forAgents = try node.statement(.run(try node.run(seconds: nil)))
            let run = try node.statement(.run(try node.run()))
            guard case .object(var members) = try node.statement(try node.body()).signed else { return }
            members["_type"] = "ssh-certificate"
            let disguised: JSONValue = [
                "signed": .object(members), "signatures": [.string(Base64.encode(run.signatures[0]))],
            ]
            var typed = try node.draft(nil)
            typed.statement = disguised.canonicalBytes
            var named = try node.statement(try node.body())
            named.signatures = [
                try FleetSimulator.operatorKey("ada").sshSignature(
                    of: named.signedBytes,
                    namespace: StatementType.run.namespace
                )
            ]
            try await expectNoLogin(
                node,
                [
                    ("a run for agents", try draft(node, forAgents), key),
                    (
                        "a run for agents, with a terminal",
                        try draft(node, forAgents) { $0.permissions = ["permit-pty"] }, key
                    ),
                    ("a run's signature under a login", typed, key),
                    ("a login signed as a run", try node.draft(named), key),
                ]
            )
        }
    }
}

/// The forced line in the shells of this machine: what it is given is what runs, and the client's input is not read.
@Suite struct ShellLineInShellsTests {
    private static let shells = ["/bin/sh", "/bin/bash", "/bin/dash", "/usr/bin/zsh"]

    @Test("every shell that is here hands over every word as it is", arguments: shells)
    func words(_ shell: String) async throws {
        guard access(shell, X_OK) == 0 else { return }
        let words = ["$(id)", "`id`", "a;b", "a\\", "\"", "it's", "*", "~", "#", "&", "|", ">f", "", " ", "é", "$HOME"]
        let line = try line(["/usr/bin/printf", "[%s]"] + words)
        let result = try await Command(shell, ["-c", line], input: []).run(timeout: .seconds(120))
        #expect(result.outputText == words.map { "[\($0)]" }.joined())
    }

    @Test("every shell that is here keeps the client's input from the command", arguments: shells)
    func input(_ shell: String) async throws {
        guard access(shell, X_OK) == 0 else { return }
        let evil = Array("echo evil\n".utf8)
        let closed = try await Command(shell, ["-c", try line(["/bin/sh"])], input: evil).run(timeout: .seconds(120))
        #expect(closed.outputText.isEmpty)
        let text = "-a%s\n\t'\\ é\n"
        let cat = try line(["/bin/cat"], input: text)
        let given = try await Command(shell, ["-c", cat]).run(timeout: .seconds(120))
        #expect(given.outputText == text)
    }

    private func line(_ argv: [String], input: String? = nil) throws -> String {
        let user = try #require(AccountName(SSHDFixture.user))
        let run = try #require(RunID("000102030405060708090a0b0c0d0e0f"))
        let braces = argv.map { $0.replacing("{", with: "{{").replacing("}", with: "}}") }
        let command = try ApprovedCommand(argv: braces, user: user, input: input).resolve([:])
        return try #require(command.shellLine(run: run))
    }
}
