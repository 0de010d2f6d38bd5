import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterKeys
import MusterModel
import MusterTrust
import OpenSSHFormats
import RemoteShell

/// The certificate of a run over SSH: fetched once, and anew only when a run takes longer to spread than it is good for.
actor RunCertificateSource {
    /// A certificate with fewer seconds left is replaced before the next login.
    private static let leastLeft: Int64 = 20

    private let key: Ed25519SecretKey
    private let run: RunOverSSH
    private let statement: SignedStatement
    private let trust: SSHTrust
    private let service: ServiceConnection
    private let context: CommandContext
    private var present: (identity: RemoteIdentity, end: UTCTime)?
    private var fetching: Task<(identity: RemoteIdentity, end: UTCTime), any Error>?

    init(
        key: Ed25519SecretKey,
        run: RunOverSSH,
        statement: SignedStatement,
        trust: SSHTrust,
        service: ServiceConnection,
        context: CommandContext
    ) {
        self.key = key
        self.run = run
        self.statement = statement
        self.trust = trust
        self.service = service
        self.context = context
    }

    /// The key with a certificate that is good for a while yet.
    func identity() async throws -> RemoteIdentity {
        if let present, context.now().adding(seconds: Self.leastLeft) < present.end { return present.identity }
        // Whoever comes meanwhile waits for the same one.
        let task = fetching ?? Task { try await fetch() }
        fetching = task
        defer { fetching = nil }
        let fetched = try await task.value
        present = fetched
        return fetched.identity
    }

    private func fetch() async throws -> (identity: RemoteIdentity, end: UTCTime) {
        let id = statement.statement.id
        let reply = try await service.authorized { try await $0.runCertificate(id, session: $1) }
        let certificate = try check(reply)
        let end = UTCTime(seconds: Int64(clamping: certificate.content.validBefore))
        return (try RemoteIdentity(key, certificate: certificate), end)
    }

    /// The certificate, once it is the one that was asked for: a service that was taken over may answer anything.
    private func check(_ reply: SSHCertificateReply) throws -> SSHCertificate {
        guard reply.state == .issued, let line = reply.certificate, let certificate = try? SSHCertificate(line: line)
        else {
            throw CommandFailure.refused("the service issued no certificate for the run: \(reply.detail)")
        }
        let content = certificate.content
        let authorities = trust.userAuthorities.trusted(at: context.now()).map(\.publicKey)
        guard content.kind == .user, content.publicKey == run.ssh.publicKey,
            content.principals == [run.account.text], content.forceCommand == run.line,
            authorities.contains(content.authority), certificate.isGenuine,
            carried(certificate) == statement.signedBytes
        else {
            throw CommandFailure.refused("the service sent another certificate than was asked for: it is not used")
        }
        guard content.isValid(at: context.now()) else {
            throw CommandFailure.undetermined(
                "the run's certificate is not good at \(context.now().wholeSeconds): is the clock of one side wrong?"
            )
        }
        return certificate
    }

    private func carried(_ certificate: SSHCertificate) -> [UInt8]? {
        guard let bytes = certificate.content.extension(SSHCertificateBody.statementExtension)?.value,
            let fields = try? JSONFields(JSONValue.parse(bytes, limit: SSHCertificate.byteLimit))
        else { return nil }
        return try? SignedStatement(fields).signedBytes
    }
}
