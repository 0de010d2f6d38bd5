import ByteCoding
import CanonicalJSON
import MusterModel
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import Synchronization

/// Statements and certificates as the honest service would make them, and as tests want them instead.
extension SSHNode {
    /// The operator's ephemeral key.
    static let key = TestKey("ephemeral")

    /// The body of a statement that asks for a login here.
    func body(
        _ key: TestKey = SSHNode.key,
        user: String = SSHDFixture.user,
        nodes: [NodeSelector] = [.node(SSHNode.id)],
        command: String? = nil
    ) throws -> StatementBody {
        guard let account = AccountName(user) else { throw FleetSimulator.Failure.impossible }
        return .sshCertificate(
            SSHCertificateBody(
                publicKey: try key.ssh,
                user: account,
                nodes: nodes,
                seconds: 600,
                command: command
            )
        )
    }

    /// What a run of an approved command over SSH asks for.
    func run(
        _ command: String = "greet",
        _ arguments: [String: [String]] = [:],
        key: TestKey = SSHNode.key,
        nodes: [NodeID] = [SSHNode.id],
        seconds: Int64? = 600
    ) throws -> RunBody {
        var body = try fleet.run(command, arguments, on: nodes)
        if let seconds { body.ssh = RunBody.OverSSH(publicKey: try key.ssh, seconds: seconds) }
        return body
    }

    /// The statement, signed by the named operators.
    func statement(
        _ body: StatementBody,
        by signers: [String] = ["ada"],
        lifetime: Int64 = 3600,
        fleet other: FleetID? = nil,
        issued: UTCTime? = nil
    ) throws -> SignedStatement {
        try state.withLock { state in
            state.statements += 1
            return try state.fleet.statement(
                body,
                by: signers,
                seed: "login-\(state.statements)",
                lifetime: lifetime,
                fleet: other,
                issued: issued ?? WallClock.now().adding(seconds: -5)
            )
        }
    }

    /// What an honest certificate says, for a test to change.
    func draft(_ statement: SignedStatement?, key: TestKey = SSHNode.key) throws -> CertificateDraft {
        let serial = state.withLock { state in
            state.serial += 1
            return state.serial
        }
        var draft = CertificateDraft(try key.ssh, principals: [SSHDFixture.user], time: WallClock.now())
        draft.serial = serial
        draft.keyID = "ada/laptop/\(statement?.statement.id.text ?? "none")"
        draft.statement = statement?.json.canonicalBytes
        if case .sshCertificate(let body)? = statement?.statement.body {
            draft.principals = [body.user.text]
            draft.forceCommand = body.command
        }
        if case .run(let body)? = statement?.statement.body, let statement {
            draft.principals = [body.definition.user.text]
            draft.forceCommand = try? body.resolve().shellLine(run: statement.statement.id)
            draft.permissions = []
        }
        return draft
    }

    /// An honest certificate for a login here.
    func certificate() throws -> SSHCertificate {
        try draft(try statement(try body())).signed(by: FleetSimulator.userAuthority)
    }

    /// Tries to log in with a certificate of the ephemeral key.
    func logIn(
        _ certificate: SSHCertificate,
        key: TestKey = SSHNode.key,
        user: String = SSHDFixture.user,
        from address: String = "127.0.0.1",
        knownHosts: String? = nil,
        host: String = "127.0.0.1",
        command: String = "echo welcome"
    ) async throws -> SSHDFixture.Outcome {
        try await sshd.ssh(
            try sshd.identity(key, certificate),
            user: user,
            knownHosts: knownHosts,
            from: address,
            host: host,
            command: command
        )
    }
}

extension SSHDFixture.Outcome {
    /// Whether the command ran.
    var isLogin: Bool { status == 0 && output.contains("welcome") }
    /// Whether sshd said no, rather than anything else going wrong.
    var isDenied: Bool { status == 255 && output.contains("Permission denied") && !output.contains("welcome") }
}
