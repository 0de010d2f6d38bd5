import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel
import MusterSigners
import MusterSystem
import OpenSSHFormats

/// The fleet service as one operator reaches it: logs in with the operator's SSH key when a call needs it.
struct ServiceConnection: Sendable {
    /// The client.
    let client: MusterClient
    /// Which fleet.
    let fleet: FleetConfiguration
    private let context: CommandContext

    init(client: MusterClient, fleet: FleetConfiguration, context: CommandContext) {
        self.client = client
        self.fleet = fleet
        self.context = context
    }

    /// Does a `call` that only reads: with the cached session while it is good, else without any where the service
    /// recognises the operator by the tailnet, else with the session of a new login.
    ///
    /// The SSH key is not touched where one of the first two is enough.
    func reading<Value>(_ call: (MusterClient, String?) async throws -> Value) async throws -> Value {
        if let session = cachedSession {
            do {
                return try await call(client, session.token)
            } catch let error as ClientError where error.status == 401 {
                try? AtomicFile.remove(context.folder.sessionFile)
            }
        }
        do {
            return try await call(client, nil)
        } catch let error as ClientError where error.status == 401 {
            return try await call(client, try await login().token)
        }
    }

    /// Does `call` with a session token: the cached one while it is good, else that of a new login.
    func authorized<Value>(
        _ call: (MusterClient, String) async throws -> Value
    ) async throws -> Value {
        _ = try context.folder.operatorIdentity()
        if let session = cachedSession {
            do {
                return try await call(client, session.token)
            } catch let error as ClientError where error.status == 401 {
                try? AtomicFile.remove(context.folder.sessionFile)
            }
        }
        return try await call(client, try await login().token)
    }

    /// Does `call` with a session token, or without one while the policy lets nobody log in: what renews it is then taken
    /// on the signatures that it carries.
    func authorizedIfPossible<Value>(
        _ call: (MusterClient, String?) async throws -> Value
    ) async throws -> Value {
        do {
            return try await authorized { client, session in try await call(client, session) }
        } catch let error as ClientError where error.problemCode == "policy-expired" {
            return try await call(client, nil)
        }
    }

    // MARK: - Sessions

    /// Opens a session with the operator's SSH key and keeps it in a file.
    func login() async throws -> SessionReply {
        let identity = try context.folder.operatorIdentity()
        let signer = try await OperatorKey.signer(identity.publicKeyFile, context)
        let challenge = try await client.operatorChallenge().challenge
        let proof = OperatorSessionRequest.proof(fleet: fleet.fleet, challenge: challenge)
        let signature = try await signer.sign(proof.canonicalBytes, namespace: OperatorSessionRequest.namespace)
        let session = try await client.operatorSession(
            OperatorSessionRequest(challenge: challenge, signature: signature.blob)
        )
        let cached: JSONValue = [
            "service": .string(fleet.service), "fleet": JSONValue(fleet.fleet),
            "key": .string(signer.publicKey.fingerprint), "session": session.json,
        ]
        try context.folder.write(cached, to: context.folder.sessionFile)
        return session
    }

    /// The cached session, if it is of this service, fleet and key, and good for another minute.
    var cachedSession: SessionReply? {
        guard let identity = try? context.folder.operatorIdentity(),
            let bytes = try? BoundedFile.readIfPresent(context.folder.sessionFile, limit: 65536),
            let fields = try? JSONFields(JSONValue.parse(bytes, limit: 65536)),
            let session = try? SessionReply(fields.fields("session")),
            let key = try? OperatorKey.publicKey(identity.publicKeyFile),
            (try? fields.string("service")) == fleet.service, (try? fields.string("fleet")) == fleet.fleet.text,
            (try? fields.string("key")) == key.fingerprint,
            session.expires > context.now().adding(seconds: 60)
        else { return nil }
        return session
    }
}

extension CommandContext {
    /// Does `work` with a connection to the configured service, and closes it.
    func withService<Value>(_ work: (ServiceConnection) async throws -> Value) async throws -> Value {
        let fleet = try folder.fleet()
        return try await withClient(service: fleet.service, authorities: fleet.authorities) { client in
            try await work(ServiceConnection(client: client, fleet: fleet, context: self))
        }
    }

    /// Does `work` with a client of some service, and closes it.
    func withClient<Value>(
        service: String,
        authorities: String?,
        _ work: (MusterClient) async throws -> Value
    ) async throws -> Value {
        let client = try MusterClient(
            service: service,
            options: HTTPTransport.Options(trustRootsFile: authorities)
        )
        do {
            let value = try await work(client)
            await client.close()
            return value
        } catch {
            await client.close()
            throw error
        }
    }
}
