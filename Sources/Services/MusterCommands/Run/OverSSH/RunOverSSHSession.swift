import ByteCoding
import MusterAPI
import MusterClient
import MusterKeys
import MusterModel
import MusterTrust
import OpenSSHFormats
import RemoteShell

/// A run that the requester's own machine carries out: by SSH, with one certificate that runs this one command.
///
/// The parties: the requester, whose statement names an ephemeral key that exists in memory only; the service, which issues
/// a certificate for it once the run is allowed, and records the results that the requester sends; the nodes, whose sshd
/// asks the agent whether the statement inside the certificate is good here. No agent runs anything.
struct RunOverSSHSession: Sendable {
    /// For how long a certificate is asked for, in seconds; another is fetched when a run takes longer to spread.
    static let certificateLife: Int64 = 120

    /// What the statement has to say: the key, and for how long certificates are.
    let body: RunBody.OverSSH
    /// The nodes' sshd listens there.
    let port: UInt16
    private let key: Ed25519SecretKey

    /// Makes the key.
    static func prepare(_ context: CommandContext, port: UInt16 = 22) throws -> RunOverSSHSession {
        let key = Ed25519SecretKey.generate()
        let publicKey = try SSHPublicKey(ed25519: key.publicKey)
        let body = RunBody.OverSSH(publicKey: publicKey, seconds: certificateLife)
        return RunOverSSHSession(body: body, port: port, key: key)
    }

    /// Runs the command on every node of an allowed and due run, and sends the service how it went.
    ///
    /// `onUpdate` gets what each node says, in each node's order, as it comes. Returns once every node's outcome is on the
    /// service's disk; when the task is cancelled, the processes are ended first. A failure is thrown where nothing could be
    /// begun, or the results could not be delivered.
    func carryOut(
        statement: SignedStatement,
        body: RunBody,
        nodes: [NodeRecord],
        service: ServiceConnection,
        context: CommandContext,
        onUpdate: @escaping @Sendable (RunUpdate) async -> Void
    ) async throws {
        let view = try await TrustedView.refresh(context, service.client)
        let policy = try view.policy()
        let run: RunOverSSH
        do throws(TrustRefusal) {
            run = try RunOverSSH(statement.statement, policy: policy, time: context.now())
        } catch {
            throw CommandFailure.refused("\(error)")
        }
        let trust = try view.sshTrust()
        let revoked = try await view.revocations(context, service.client)
        let certificates = RunCertificateSource(
            key: key,
            run: run,
            statement: statement,
            trust: trust,
            service: service,
            context: context
        )
        _ = try await certificates.identity()
        let shell: RemoteShell
        do throws(RemoteShellError) {
            shell = try RemoteShell()
        } catch {
            throw CommandFailure.undetermined(error.message)
        }
        let delivery = RunResultsDelivery(statement.statement.id, service)
        let node = NodeRunOverSSH(
            run: run,
            shell: shell,
            certificates: certificates,
            hostKeys: NodeHostKeys(trust, revoked: revoked, time: context.now()),
            revoked: revoked,
            port: port,
            now: context.now
        ) { update in
            delivery.add(update)
            await onUpdate(update)
        }
        let spread = RunSpread(node, body.fanOut)
        let delivered: Result<Void, any Error>
        do {
            delivered = .success(
                try await delivery.during({ await spread.carryOut(on: nodes) }, stop: { spread.stop($0) })
            )
        } catch {
            delivered = .failure(error)
        }
        await shell.close()
        try delivered.get()
    }
}
