import ByteCoding
import MusterAPI
import MusterCA
import MusterModel
import MusterPolicy
import MusterStore
import MusterTrust
import OpenSSHFormats

/// Certificates for runs over SSH: each is good for exactly one command, on the nodes of one statement, for a minute or two.
///
/// Each request makes one certificate and is checked anew, so that a policy, a key or an approver that is gone by now stops
/// the rest of a run. Whether the run was cancelled is for the caller to say.
struct RunCertificates: Sendable {
    let service: FleetService

    /// Most certificates of one run that are good at the same time.
    static let limit = 8

    /// A certificate of a run for its requester, recorded before it leaves.
    func issue(
        _ signed: SignedStatement,
        to name: OperatorName,
        from origin: CertificateOrigin,
        at time: UTCTime
    ) async throws -> SSHCertificateReply {
        let statement = signed.statement
        guard statement.requester == name else {
            throw Problem.refused("run \(statement.id) is \(statement.requester)'s: nobody else carries it out")
        }
        let publication = try service.repository.publication()
        let trust = try SSHSide.trust(publication)
        let policy = try StatementCheck(publication: publication, time: time).policy()
        let (run, signers) = try verify(signed, policy, publication.fleet, at: time)
        let decision = CertificateDecision.decide(
            statement,
            run.body,
            line: run.line,
            signers: Set(signers.map(\.name)),
            policy: policy,
            targets: run.body.nodes.compactMap { service.nodes[$0].map { CertificateIssuing.target($0) } },
            time: time
        )
        switch decision {
        case .refused(let why), .waiting(let why): throw Problem.refused(why)
        case .allowed(let grant, let targets, let refusing):
            let order = UserCertificateOrder(
                statement: signed,
                grant: grant,
                keyExpiries: signers.compactMap { policy.owner(of: $0.key)?.key.expires },
                origin: origin.forOrder,
                targets: targets.compactMap(\.version)
            )
            return try await issue(order, signers.map(\.name), origin, trust, refusing, at: time)
        }
    }

    private func verify(
        _ signed: SignedStatement,
        _ policy: FleetPolicy,
        _ fleet: FleetID,
        at time: UTCTime
    ) throws(Problem) -> (RunOverSSH, [StatementSigner]) {
        let verdict = StatementVerifier.verify(signed, policy: policy, fleet: fleet, time: time)
        if let refusal = verdict.refusal { throw .refused(refusal.message) }
        do throws(TrustRefusal) {
            return (try RunOverSSH(signed.statement, policy: policy, time: time), verdict.signers)
        } catch {
            throw .refused(error.message)
        }
    }

    private func issue(
        _ order: UserCertificateOrder,
        _ signers: [OperatorName],
        _ origin: CertificateOrigin,
        _ trust: SSHTrust,
        _ refusing: [String],
        at time: UTCTime
    ) async throws -> SSHCertificateReply {
        let statement = order.statement.statement
        let issuing = CertificateIssuing(service: service)
        let made = try await issuing.make(order, trust, at: time)
        let record = CertificateIssuing.Record(
            statement: nil,
            requester: statement.requester,
            targets: Self.targets(statement)
        )
        let stored = CertificateIssuing.stored(made, record, origin, time)
        try await write(stored, of: statement.id, signers, at: time)
        return issuing.reply(
            statement.id,
            stored,
            line: made.certificate.line,
            trust,
            detail: CertificateIssuing.detail(made.limit, refusing, time),
            time
        )
    }

    /// The record and its event, on disk when this returns.
    private func write(
        _ stored: StoredCertificate,
        of run: StatementID,
        _ signers: [OperatorName],
        at time: UTCTime
    ) async throws {
        let event = CertificateIssuing.event(stored, of: run, signers: signers)
        try await service.store.grouped.write(returning: { transaction in
            let good = try transaction.countCertificates(keyID: stored.keyID, goodAfter: time)
            guard good < Self.limit else {
                throw Problem.tooMany("run \(run) has \(Self.limit) certificates that are good: use those")
            }
            guard try transaction.add(stored) else { throw Problem.conflict("serial \(stored.serial) was used before") }
            try CertificateIssuing.log(stored, event, transaction, at: time)
        })
    }

    private static func targets(_ statement: Statement) -> [String] {
        guard case .run(let body) = statement.body else { return [] }
        return body.nodes.map { NodeSelector.node($0).description }
    }
}
