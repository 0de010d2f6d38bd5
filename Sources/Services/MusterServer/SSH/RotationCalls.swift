import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterCA
import MusterModel
import MusterSigners
import MusterStore
import OpenSSHFormats

/// The rotation of the CAs: makes keys, says what is waited for, and lets no document through that would lock anybody out.
struct RotationCalls: Sendable {
    let service: FleetService

    /// How far the rotations are.
    func record(at time: UTCTime) async throws -> SSHRotationRecord {
        let trust = try SSHSide.trust(try service.repository.publication())
        return try await record(trust, proposal: nil, detail: "", at: time)
    }

    /// Prepares a step: the document that the policy keys have to sign.
    func prepare(
        _ request: SSHRotationRequest,
        by name: OperatorName,
        at time: UTCTime
    ) async throws -> SSHRotationRecord {
        let trust = try SSHSide.trust(try service.repository.publication())
        guard let step = AuthorityRotation.Step(rawValue: request.action.rawValue) else {
            throw Problem.malformed("action: '\(request.action.rawValue)' is not known here")
        }
        let kind = request.kind
        let proof = try await proof(at: time)
        try Self.require(proof, step, kind, trust)
        var newKey: SSHPublicKey?
        if step == .announce, AuthorityRotation.possible(kind, in: trust).contains(step) {
            newKey = try SSHPublicKey(ed25519: try await service.keys.authorities.prepareNext(kind).publicKey)
        }
        let proposal: SSHTrust
        do {
            proposal = try AuthorityRotation.document(
                after: step,
                of: kind,
                in: trust,
                newKey: newKey,
                days: request.days ?? AuthorityRotation.standardDays,
                at: time
            )
        } catch {
            throw Problem.conflict("\(error)")
        }
        try await checkUnrevoked(trust, proposal)
        _ = try await service.store.write { transaction in
            try transaction.append(
                event: "ssh-rotation-prepared",
                actor: name.text,
                detail: [
                    "kind": .string(kind.rawValue), "action": .string(step.rawValue),
                    "trust_version": .integer(proposal.version),
                ],
                at: time
            )
        }
        let detail =
            "version \(proposal.version) of \(SSHTrust.targetPath) is to be signed by the policy keys and published"
        return try await record(trust, proposal: proposal, detail: detail, at: time)
    }

    /// Refuses a document that must not follow the one before, or for whose CAs the keys are not here.
    func check(_ old: SSHTrust?, _ new: SSHTrust, at time: UTCTime) async throws {
        for kind in SSHAuthorityKind.allCases {
            _ = try SSHSide.signing(kind, new, service.keys.authorities, at: time)
        }
        guard let old, old != new else { return }
        let proof = try await proof(at: time)
        let obstacle = AuthorityRotation.obstacle(
            from: old,
            to: new,
            whySigning: { Self.words(proof.beforeSigning($0, $1)) },
            whyGone: { Self.words(proof.beforeGoing($0, $1)) }
        )
        if let obstacle { throw Problem.conflict("policy: \(obstacle)") }
        try await checkUnrevoked(old, new)
    }

    /// Refuses a document that lets a revoked user CA sign, or announces one: none of its certificates opens a door.
    ///
    /// One that was not retiring before is let be, or its own rotation could never begin.
    private func checkUnrevoked(_ old: SSHTrust, _ new: SSHTrust) async throws {
        let revoked = try await service.store.read { try $0.revokedOthers() }.filter { $0.kind == .key }.map(\.value)
        let before = old.userAuthorities.filter { $0.phase != .retiring }.map(\.publicKey)
        for authority in new.userAuthorities where authority.phase != .retiring {
            let key = authority.publicKey
            guard !before.contains(key), revoked.contains(key.line) else { continue }
            throw Problem.conflict(
                "\(key.fingerprint) is revoked: as a user CA it would let nobody in; go on with the other one "
                    + "('muster ssh rotate user')"
            )
        }
    }

    private static func require(
        _ proof: RotationProof,
        _ step: AuthorityRotation.Step,
        _ kind: SSHAuthorityKind,
        _ trust: SSHTrust
    ) throws(Problem) {
        let finding: RotationProof.Finding
        switch step {
        case .sign:
            guard let next = trust.authorities(kind).first(where: { $0.phase == .announced }) else { return }
            finding = proof.beforeSigning(kind, next)
        case .retire:
            guard let old = trust.authorities(kind).first(where: { $0.phase == .retiring }) else { return }
            finding = proof.beforeGoing(kind, old)
        case .rollBack:
            // While both keys have signed, the step back takes none away.
            guard AuthorityRotation.next(kind, in: trust) == .sign,
                let announced = trust.authorities(kind).first(where: { $0.phase == .announced })
            else { return }
            finding = proof.beforeGoing(kind, announced)
        case .announce: return
        }
        if let why = words(finding) { throw .conflict(why) }
    }

    /// What a step waits for, in one line; nil where it waits for nothing.
    private static func words(_ finding: RotationProof.Finding) -> String? {
        guard !finding.waiting.isEmpty else { return nil }
        let more = finding.waiting.count - 5
        return "it waits for: " + finding.waiting.prefix(5).joined(separator: "; ")
            + (more > 0 ? "; and \(more) more" : "")
    }

    // MARK: - What is known

    private func proof(at time: UTCTime) async throws -> RotationProof {
        let (stored, published) = try await service.store.read { transaction in
            let published = try transaction.newestMetadataMoment(role: "policy")
            return (try transaction.unrevokedCertificates(goodAfter: time), published)
        }
        let certificates = try stored.map { certificate in
            RotationProof.Certificate(
                serial: certificate.serial,
                kind: certificate.kind,
                holder: certificate.requester?.text ?? certificate.node?.text ?? certificate.keyID,
                authority: try SSHPublicKey(ed25519: certificate.authority),
                issued: certificate.issued,
                validBefore: certificate.validBefore
            )
        }
        // A node that has never reported may have an sshd; one that reports without has none.
        let nodes = service.nodes.all.filter { $0.report == nil || $0.report?.ssh != nil }.map { entry in
            RotationProof.Node(
                name: entry.node.name,
                unreachableSince: service.isInContact(entry, at: time) ? nil : entry.lastSeen ?? entry.node.enrolled,
                userAuthorities: Set(entry.report?.ssh?.userAuthorities ?? []),
                hostCertificates: Set(entry.report?.ssh?.hostCertificates.map(\.serial) ?? []),
                problem: entry.report?.ssh?.problem ?? ""
            )
        }
        return RotationProof(nodes: nodes, certificates: certificates, published: published ?? time)
    }

    private func record(
        _ trust: SSHTrust,
        proposal: SSHTrust?,
        detail: String,
        at time: UTCTime
    ) async throws -> SSHRotationRecord {
        let proof = try await proof(at: time)
        return SSHRotationRecord(
            trust: trust,
            proposal: proposal,
            kinds: SSHAuthorityKind.allCases.map { Self.kind($0, trust, proof) },
            detail: detail
        )
    }

    private static func kind(
        _ kind: SSHAuthorityKind,
        _ trust: SSHTrust,
        _ proof: RotationProof
    ) -> SSHRotationRecord.Kind {
        let next = AuthorityRotation.next(kind, in: trust)
        var finding = RotationProof.Finding()
        if next == .sign, let authority = trust.authorities(kind).first(where: { $0.phase == .announced }) {
            finding = proof.beforeSigning(kind, authority)
        } else if next == .retire, let authority = trust.authorities(kind).first(where: { $0.phase == .retiring }) {
            finding = proof.beforeRetiring(kind, authority)
        }
        let possible = AuthorityRotation.possible(kind, in: trust).filter { $0 != next || finding.waiting.isEmpty }
        return SSHRotationRecord.Kind(
            kind: kind,
            possible: possible.compactMap { SSHRotationRequest.Action(rawValue: $0.rawValue) },
            next: next.flatMap { SSHRotationRequest.Action(rawValue: $0.rawValue) },
            waiting: finding.waiting,
            unreachable: finding.unreachable,
            proved: finding.proved,
            nodes: proof.nodes.count
        )
    }
}
