import ByteCoding
import CanonicalJSON
import Hummingbird
import Logging
import MusterAPI
import MusterModel
import MusterPolicy

/// What anyone may ask about the service, and how a fleet begins and its repository grows.
struct FleetCalls: Sendable {
    let service: FleetService

    /// `GET /v1/service`.
    func describe(_ call: Call) -> Response {
        Answer.body(
            ServiceDescription(
                version: MusterVersion.text,
                fleet: service.repository.current?.fleet,
                keys: service.keys.description,
                time: call.time
            )
        )
    }

    /// `POST /v1/fleet`.
    func create(_ call: Call) async throws -> Response {
        let upload: FleetUpload = try await call.body()
        guard let expected = try service.setupToken() else {
            throw Problem.conflict("there is a fleet already, or musterd has made no set-up token: restart it")
        }
        guard let given = SetupToken(line: upload.setupToken),
            ConstantTime.equal(given.keysDigest + given.secret, expected.keysDigest + expected.secret)
        else { throw Problem.unauthenticated("this is not the set-up token of 'musterd serve'") }
        try await service.repository.create(upload, at: call.time)
        try service.state.removeSetupToken()
        service.log.info("there is a fleet now: \(service.repository.current?.fleet.text ?? "")")
        return Answer.body(
            ServiceDescription(
                version: MusterVersion.text,
                fleet: service.repository.current?.fleet,
                keys: service.keys.description,
                time: call.time
            ),
            status: .created
        )
    }

    /// `PUT /v1/repository/files/{sha256}?path=releases/NAME`.
    ///
    /// While nobody can log in, the file of a policy needs no session: `putMetadata`.
    func putFile(_ call: Call, _ sha256: String) async throws -> Response {
        var upload = service.upload
        if call.query("path") == FleetPolicy.targetPath, try isRenewal(call) {
            upload.limit = min(upload.limit, RenewalAllowance.policyBytes)
        } else {
            _ = try service.operators.authenticate(call)
        }
        try await upload.take(call, sha256: sha256)
        return Answer.nothing
    }

    /// `POST /v1/repository/metadata/{role}`.
    ///
    /// While nobody can log in, because the policy or what it hangs on has expired, the signatures of the role's owners are
    /// enough: otherwise nobody could renew it.
    func putMetadata(_ call: Call, _ role: String) async throws -> Response {
        let actor = try isRenewal(call) ? "\(role) keys" : try service.operators.authenticate(call).text
        let bytes = try await call.bytes(limit: 5_000_000)
        let isPublished = try await service.repository.replace(role, bytes, by: actor, at: call.time)
        guard isPublished else { return Answer.json(["state": "waits for targets metadata"], status: .accepted) }
        return Answer.nothing
    }

    /// Whether this upload is taken without a session; an error where there were too many.
    private func isRenewal(_ call: Call) throws(Problem) -> Bool {
        guard try service.repository.publication().loginTrouble(at: call.time) != nil else { return false }
        guard service.renewals.take(call.peer, at: call.time) else {
            throw .tooMany("too many uploads without a session: try again in an hour")
        }
        return true
    }
}
