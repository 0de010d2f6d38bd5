import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterCA
import MusterModel
import MusterStore
import OpenSSHFormats

/// Requests that wait for approvals, and what became of requests.
extension CertificateIssuing {
    func wait(
        _ verified: Verified,
        _ missing: String,
        from origin: CertificateOrigin,
        at time: UTCTime
    ) async throws -> SSHCertificateReply {
        let signed = verified.signed
        let statement = signed.statement
        let request = StoredCertificateRequest(
            statement: statement.id,
            state: .waiting,
            detail: missing,
            asked: time,
            expires: statement.expires,
            identity: origin.identity,
            origin: origin.name,
            addresses: origin.addresses,
            node: origin.node,
            keyExpires: origin.keyExpires
        )
        let isNew = try await service.store.write { transaction in
            if try transaction.statement(statement.id) != nil { return false }
            guard try transaction.waitingRequests(from: origin.identity, at: time) < Self.waitingLimit else {
                throw Problem.tooMany(
                    "\(Self.waitingLimit) requests from here wait already: have them approved or denied"
                )
            }
            guard try transaction.add(signed, received: time) else { return false }
            try transaction.add(request)
            try transaction.append(
                event: "ssh-certificate-waits",
                actor: statement.requester.text,
                detail: [
                    "statement": JSONValue(statement.id), "origin": .string(origin.name), "missing": .string(missing),
                    "targets": .array(verified.body.nodes.map { .string($0.description) }),
                    "principals": [.string(verified.body.user.text)],
                ],
                at: time
            )
            return true
        }
        guard isNew else { return try await repeated(signed, from: origin, at: time) }
        return SSHCertificateReply(state: .waiting, id: statement.id, detail: missing)
    }

    /// The answer to a statement that was sent before: the same one, to the same caller.
    func repeated(
        _ signed: SignedStatement,
        from origin: CertificateOrigin,
        at time: UTCTime
    ) async throws -> SSHCertificateReply {
        let id = signed.statement.id
        let before = try await service.store.read { try $0.statement(id) }
        guard let before, before.signedBytes == signed.signedBytes else {
            throw Problem.conflict("statement \(id) was used before, for something else")
        }
        return try await status(id, for: origin.identity, at: time)
    }

    /// How far a request is; `identity` is that of the caller, nil for an operator with a session.
    func status(_ id: StatementID, for identity: String?, at time: UTCTime) async throws -> SSHCertificateReply {
        let (certificate, request) = try await service.store.read { transaction in
            (try transaction.certificate(for: id), try transaction.certificateRequest(id))
        }
        let asked = certificate?.identity ?? request?.identity
        guard let asked, identity == nil || identity == asked else {
            throw Problem.missing("there is no request '\(id)' that was made from here")
        }
        if let certificate {
            let trust = try SSHSide.trust(try service.repository.publication())
            let line = try certificate.certificate.map { try SSHCertificate(blob: $0).line }
            let detail = certificate.revoked.map { "it was revoked at \($0.wholeSeconds)" } ?? ""
            return reply(id, certificate, line: line, trust, detail: detail, time)
        }
        guard let request, request.state != .issued else { throw Problem.missing("there is no request '\(id)'") }
        if request.state == .denied { return SSHCertificateReply(state: .denied, id: id, detail: request.detail) }
        guard request.expires > time else {
            return SSHCertificateReply(
                state: .expired,
                id: id,
                detail: "the statement expired at \(request.expires) before enough had approved it"
            )
        }
        return SSHCertificateReply(state: .waiting, id: id, detail: request.detail)
    }

    // MARK: - Approving and denying

    /// Adds a signature to the statement of a request that waits; issues the certificate once enough have signed.
    func approve(_ id: StatementID, _ signature: [UInt8], at time: UTCTime) async throws -> SSHCertificateReply {
        try await service.ssh.approvals.pass {
            let (signed, request) = try await waiting(id, at: time)
            let publication = try service.repository.publication()
            let trust = try SSHSide.trust(publication)
            let approver = try StatementCheck(publication: publication, time: time).signer(signature, of: signed)
            guard approver != signed.statement.requester else {
                throw Problem.refused("\(approver) asked for it, so \(approver) cannot approve it")
            }
            var more = signed
            guard more.signatures.count < SignedStatement.signatureLimit else {
                throw Problem.tooMany("the statement has \(SignedStatement.signatureLimit) signatures already")
            }
            let present = try verify(signed, publication, at: time)
            guard !present.names.contains(approver) else {
                throw Problem.conflict("\(approver) has approved it already")
            }
            more.signatures.append(signature)
            let verified = try verify(more, publication, at: time)
            switch decide(verified, at: time) {
            case .refused(let why): throw Problem.refused(why)
            case .waiting(let missing):
                try await keep(verified, request, missing, by: approver, at: time)
                return SSHCertificateReply(state: .waiting, id: id, detail: missing)
            case .allowed(let grant, let targets, let refusing):
                let origin = CertificateOrigin(request)
                let order = order(verified, grant, targets, origin)
                return try await issue(order, verified, origin, trust, refusing, waited: true, at: time)
            }
        }
    }

    private func keep(
        _ verified: Verified,
        _ request: StoredCertificateRequest,
        _ missing: String,
        by approver: OperatorName,
        at time: UTCTime
    ) async throws {
        var request = request
        request.detail = missing
        let changed = request
        try await service.store.write { transaction in
            guard try transaction.change(changed) else { throw Problem.conflict("the request waits no more") }
            try transaction.replace(verified.signed)
            try transaction.append(
                event: "ssh-certificate-approved",
                actor: approver.text,
                detail: ["statement": JSONValue(changed.statement), "missing": .string(missing)],
                at: time
            )
        }
        service.ssh.polls.announce(request.statement)
    }

    /// Ends a request that waits.
    func deny(
        _ id: StatementID,
        _ reason: String,
        by name: OperatorName,
        at time: UTCTime
    ) async throws -> SSHCertificateReply {
        try await service.ssh.approvals.pass {
            var (_, request) = try await waiting(id, at: time)
            request.state = .denied
            request.detail = "denied by \(name)" + (reason.isEmpty ? "" : ": \(reason)")
            let denied = request
            try await service.store.write { transaction in
                guard try transaction.change(denied) else { throw Problem.conflict("the request waits no more") }
                try transaction.append(
                    event: "ssh-certificate-denied",
                    actor: name.text,
                    detail: ["statement": JSONValue(id), "reason": .string(reason)],
                    at: time
                )
            }
            service.ssh.polls.announce(id)
            return SSHCertificateReply(state: .denied, id: id, detail: denied.detail)
        }
    }

    private func waiting(
        _ id: StatementID,
        at time: UTCTime
    ) async throws -> (SignedStatement, StoredCertificateRequest) {
        let found = try await service.store.read { transaction in
            (try transaction.statement(id), try transaction.certificateRequest(id))
        }
        guard let signed = found.0, let request = found.1 else { throw Problem.missing("there is no request '\(id)'") }
        guard request.state == .waiting, request.expires > time else {
            let how = request.state == .waiting ? "expired" : request.state.rawValue
            throw Problem.conflict("request \(id) waits no more: it is \(how)")
        }
        return (signed, request)
    }
}
