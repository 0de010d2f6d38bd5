import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel
import MusterTestSupport

@testable import MusterServer

/// A node whose keys are at hand: it can open sessions with any of them, and offer new ones in every wrong way.
struct KeyedNode: Sendable {
    let fixture: ServerFixture
    let id: NodeID
    let key: TestKey

    /// A node that has joined.
    init(_ fixture: ServerFixture, _ name: String, secret: [UInt8], key: TestKey? = nil) async throws {
        self.fixture = fixture
        self.key = key ?? TestKey("keyed-" + name)
        guard
            case .enrolled(let id, _, _) = try await fixture.client.enroll(
                fixture.enrollRequest(self.key, name: name, secret: secret)
            )
        else { throw FleetSimulator.Failure.impossible }
        self.id = id
    }

    /// How one key of the node follows another; whatever is given differs from how it should be.
    func link(
        _ old: TestKey,
        _ new: TestKey,
        node: NodeID? = nil,
        fleet: FleetID? = nil,
        oldSigner: TestKey? = nil,
        newSigner: TestKey? = nil
    ) -> SignedKeySuccession {
        let proof = NodeKeyRequest.proof(
            fleet: fleet ?? fixture.fleet.fleet,
            node: node ?? id,
            oldKey: old.publicKey,
            newKey: new.publicKey
        ).canonicalBytes
        return SignedKeySuccession(
            oldKey: old.publicKey,
            newKey: new.publicKey,
            oldSignature: (oldSigner ?? old).sign(proof),
            newSignature: (newSigner ?? new).sign(proof)
        )
    }

    /// A session that a key opens, which follows earlier ones by `successions`.
    func session(with key: TestKey? = nil, by successions: [SignedKeySuccession] = []) async throws -> String {
        let challenge = try await fixture.client.nodeChallenge(id).challenge
        let proof = NodeSessionRequest.proof(fleet: fixture.fleet.fleet, node: id, challenge: challenge).canonicalBytes
        let request = NodeSessionRequest(
            node: id,
            challenge: challenge,
            signature: (key ?? self.key).sign(proof),
            successions: successions
        )
        return try await fixture.client.nodeSession(request).token
    }

    /// Reports `hello` and returns what the service says of the key.
    @discardableResult
    func report(
        _ session: String,
        version: String = "1.0",
        _ progress: [NodeProgress] = []
    ) async throws -> NodeKeyNotice? {
        try await fixture.client.report(TestNode.report(version: version, progress), session: session).key
    }

    /// Offers a new key; whatever is given differs from how it should be.
    @discardableResult
    func offer(
        _ new: TestKey,
        _ session: String,
        present: TestKey? = nil,
        node: NodeID? = nil,
        fleet: FleetID? = nil,
        oldSigner: TestKey? = nil,
        newSigner: TestKey? = nil
    ) async throws -> UTCTime {
        let link = link(
            present ?? key,
            new,
            node: node,
            fleet: fleet,
            oldSigner: oldSigner,
            newSigner: newSigner
        )
        let request = NodeKeyRequest(
            newKey: link.newKey,
            oldSignature: link.oldSignature,
            newSignature: link.newSignature
        )
        return try await fixture.client.offerKey(request, session: session).expires
    }
}

extension ServerFixture {
    /// A statement of an operator, as of now; sent by the same operator.
    @discardableResult
    func ask(
        _ body: StatementBody,
        by name: String = "ada",
        seed: String
    ) async throws -> (statement: SignedStatement, reply: StatementReply) {
        let statement = try fleet.statement(body, by: [name], seed: seed, issued: clock.now())
        return (statement, try await client.send(statement, session: try await login(name)))
    }

    /// Every event of a type, oldest first.
    func events(_ type: String) async throws -> [EventRecord] {
        try await client.events(after: 0, wait: 0, session: try await login()).filter { $0.type == type }
    }

    /// A node as operators see it.
    func record(_ id: NodeID) async throws -> NodeRecord {
        try await client.node(id, session: try await login())
    }

    /// Takes note of what expired; the service does so five times a second by itself.
    func noteExpiries() async throws {
        try await server.service.noteExpiries(at: clock.now())
    }
}
