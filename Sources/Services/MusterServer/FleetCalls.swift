import ByteCoding
import CanonicalJSON
import Hummingbird
import Logging
import MusterAPI
import MusterModel

/// What anyone may ask about the service, and how a fleet begins and its repository grows.
struct FleetCalls: Sendable {
    let service: FleetService

    /// `GET /v1/service`.
    func describe(_ call: Call) -> Response {
        Answer.body(
            ServiceDescription(
                version: FleetService.version,
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
        else { throw Problem.unauthenticated("this is not the set-up token that musterd printed") }
        try await service.repository.create(upload, at: call.time)
        try service.state.removeSetupToken()
        service.log.info("there is a fleet now: \(service.repository.current?.fleet.text ?? "")")
        return Answer.body(
            ServiceDescription(
                version: FleetService.version,
                fleet: service.repository.current?.fleet,
                keys: service.keys.description,
                time: call.time
            ),
            status: .created
        )
    }

    /// `PUT /v1/repository/files/{sha256}?path=releases/NAME`.
    func putFile(_ call: Call, _ sha256: String) async throws -> Response {
        _ = try service.operators.authenticate(call)
        try await service.upload.take(call, sha256: sha256)
        return Answer.nothing
    }

    /// `POST /v1/repository/metadata/{role}`.
    func putMetadata(_ call: Call, _ role: String) async throws -> Response {
        let name = try service.operators.authenticate(call)
        let bytes = try await call.bytes(limit: 5_000_000)
        let isPublished = try await service.repository.replace(role, bytes, by: name.text, at: call.time)
        guard isPublished else { return Answer.json(["state": "waits for targets metadata"], status: .accepted) }
        return Answer.nothing
    }
}
