import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel

/// SSH certificates, their revocation, and the rotation of the CAs.
extension MusterClient {
    /// `POST /v1/ssh/certificates`: the certificate that an `ssh-certificate` statement asks for, or what it waits for.
    ///
    /// The statement's own signature is the proof of who asks, so no session is needed. Asked twice with the same statement
    /// from the same place, the answer is the same certificate.
    public func requestCertificate(_ statement: SignedStatement) async throws(ClientError) -> SSHCertificateReply {
        try await body(
            Call(method: .post, path: "/v1/ssh/certificates", body: .bytes(statement.json.jsonBytes))
        )
    }

    /// `GET /v1/ssh/certificates/{id}`: how far a request is, waiting at most `wait` seconds for its end.
    public func certificate(
        _ id: StatementID,
        wait: Int,
        session: String? = nil
    ) async throws(ClientError) -> SSHCertificateReply {
        try await body(
            Call(
                path: "/v1/ssh/certificates/\(id)",
                query: [("wait", "\(wait)")],
                session: session,
                seconds: Int64(wait) + 30
            )
        )
    }

    /// `POST /v1/ssh/certificates/{id}/approve`: adds a signature to the statement of a request that waits.
    public func approveCertificate(
        _ id: StatementID,
        signature: [UInt8],
        session: String
    ) async throws(ClientError) -> SSHCertificateReply {
        let path = "/v1/ssh/certificates/\(id)/approve"
        let request = ApprovalRequest(signature: signature)
        return try await body(Call(method: .post, path: path, session: session, body: .json(request)))
    }

    /// `POST /v1/ssh/certificates/{id}/deny`: ends a request that waits.
    public func denyCertificate(
        _ id: StatementID,
        reason: String,
        session: String
    ) async throws(ClientError) -> SSHCertificateReply {
        let path = "/v1/ssh/certificates/\(id)/deny"
        let request = ReasonRequest(reason: reason)
        return try await body(Call(method: .post, path: path, session: session, body: .json(request)))
    }

    /// `GET /v1/ssh/issued`: certificates with serials above `after`, oldest first, at most 1000.
    ///
    /// `session` may be nil where the tailnet recognises the operator, here and in the other calls that only read.
    public func issuedCertificates(
        operatorName: OperatorName? = nil,
        node: NodeID? = nil,
        onlyValid: Bool = false,
        after: Int64 = 0,
        session: String?
    ) async throws(ClientError) -> [SSHIssuedRecord] {
        var query = [("after", "\(after)")]
        if let operatorName { query.append(("operator", operatorName.text)) }
        if let node { query.append(("node", node.text)) }
        if onlyValid { query.append(("valid", "1")) }
        let call = Call(path: "/v1/ssh/issued", query: query, session: session, seconds: 60)
        return try await body(call, as: List<SSHIssuedRecord>.self).items
    }

    /// `GET /v1/ssh/waiting`: requests that wait for approvals, oldest first.
    public func waitingCertificates(session: String?) async throws(ClientError) -> [SSHWaitingRecord] {
        try await body(Call(path: "/v1/ssh/waiting", session: session), as: List<SSHWaitingRecord>.self).items
    }

    /// `GET /v1/ssh/trust`: which CAs the fleet trusts, to be verified by TUF.
    public func sshTrust() async throws(ClientError) -> SSHTrustReply {
        try await body(Call(path: "/v1/ssh/trust"))
    }

    /// `GET /v1/ssh/revocations`: what was revoked, and how far the fleet knows.
    public func revocations(session: String?) async throws(ClientError) -> SSHRevocationsRecord {
        try await body(Call(path: "/v1/ssh/revocations", session: session, seconds: 60))
    }

    /// `GET /v1/ssh/rotation`: how far the rotations of the CAs are.
    public func rotation(session: String?) async throws(ClientError) -> SSHRotationRecord {
        try await body(Call(path: "/v1/ssh/rotation", session: session, seconds: 60))
    }

    /// `POST /v1/ssh/rotation`: prepares a step, whose document the policy keys then sign.
    public func rotate(_ request: SSHRotationRequest, session: String) async throws(ClientError) -> SSHRotationRecord {
        try await body(
            Call(method: .post, path: "/v1/ssh/rotation", session: session, body: .json(request), seconds: 60)
        )
    }
}
