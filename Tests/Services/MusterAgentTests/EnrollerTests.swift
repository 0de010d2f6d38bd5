import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterAgent
import MusterClient
import MusterModel
import MusterSystem
import MusterTestSupport
import SignatureVerification
import Synchronization
import Testing

/// A node that joins, against a service that may lie.
@Suite struct EnrollerTests {
    private static let secret = [UInt8](repeating: 7, count: 32)

    /// What the service got to see.
    private final class Seen: Sendable {
        let requests = Mutex<[EnrollRequest]>([])
    }

    /// Enrolls at a service that serves `fleet` and answers with `statement`.
    private func enroll(
        _ fleet: FleetSimulator,
        token: FleetID,
        statement: SignedStatement,
        seen: Seen,
        folder: TemporaryFolder
    ) async throws -> Enrollment {
        let files = fleet.files
        let token = try #require(EnrollmentToken(fleet: token, secret: Self.secret))
        return try await LoopbackServer.run { request in
            if request.path.hasPrefix("/tuf/") {
                return files[String(request.path.dropFirst(5))].map { .init(200, .bytes($0)) } ?? .init(404)
            }
            if request.path == "/v1/enroll/statement" { return .init(200, .bytes(statement.json.jsonBytes)) }
            guard let body = try? EnrollRequest.parse(request.body), let node = NodeID(joiningWith: body.nodeKey) else {
                return .init(400)
            }
            seen.requests.withLock { $0.append(body) }
            let reply = EnrollReply.enrolled(node: node, name: "web-1", statement: statement)
            return .init(200, .bytes(reply.json.jsonBytes))
        } _: { server in
            let client = try MusterClient(service: server.address)
            let enroller = Enroller(paths: AgentPaths(folder.path), client: client, clock: .system)
            let result: Result<Enrollment, any Error>
            do {
                result = .success(try await enroller.enroll(token: token, name: "web-1"))
            } catch {
                result = .failure(error)
            }
            await client.close()
            return try result.get()
        }
    }

    private func statement(_ fleet: FleetSimulator, by signer: String) throws -> SignedStatement {
        guard let tag = MusterModel.Tag("web") else { throw EnrollmentError("no tag") }
        let proof = EnrollBody.Proof.secret(sha256: Digest.sha256(Self.secret), uses: 1)
        return try fleet.statement(.enroll(EnrollBody(tags: [tag], proof: proof)), by: [signer])
    }

    @Test("a token brings the node in, with the statement's tags and a key that signed the request")
    func joins() async throws {
        let fleet = try FleetSimulator(time: WallClock.now())
        let folder = try TemporaryFolder()
        let seen = Seen()
        let enrollment = try await enroll(
            fleet,
            token: fleet.fleet,
            statement: try statement(fleet, by: "ada"),
            seen: seen,
            folder: folder
        )
        #expect(enrollment.tags.map(\.text) == ["web"])
        #expect(try Enrollment.load(AgentPaths(folder.path)) == enrollment)
        let request = try #require(seen.requests.withLock { $0.first })
        let proof = EnrollRequest.proof(fleet: fleet.fleet, name: "web-1", nodeKey: request.nodeKey)
        #expect(Ed25519.verify(signature: request.signature, message: proof.canonicalBytes, publicKey: request.nodeKey))
    }

    @Test("a service with another first root never sees the token's secret")
    func otherRoot() async throws {
        let fleet = try FleetSimulator(time: WallClock.now())
        let other = try #require(FleetID(digest: Digest.sha256([1])))
        let seen = Seen()
        let folder = try TemporaryFolder()
        let statement = try statement(fleet, by: "ada")
        let error = await #expect(throws: EnrollmentError.self) {
            try await enroll(fleet, token: other, statement: statement, seen: seen, folder: folder)
        }
        #expect(error?.message.contains("first root") == true)
        #expect(seen.requests.withLock { $0.isEmpty })
        #expect(try Enrollment.load(AgentPaths(folder.path)) == nil)
    }

    @Test("what an aborted attempt with another fleet left is not trusted: the root is that of the fleet joined")
    func leftoverRoot() async throws {
        let folder = try TemporaryFolder()
        var changed = try FleetSimulator(time: WallClock.now())
        changed.rootKeys = [TestKey("x-1"), TestKey("x-2"), TestKey("x-3")]
        try changed.publishAnotherFleet()
        let other = changed
        let aborted = try statement(other, by: "eve")
        await #expect(throws: EnrollmentError.self) {
            try await enroll(other, token: other.fleet, statement: aborted, seen: Seen(), folder: folder)
        }
        #expect(try folder.read("tuf/root.json") == other.files["metadata/1.root.json"])
        try folder.write("ssh-revoked.krl", [1])
        try folder.write("memory.json", [1])
        let fleet = try FleetSimulator(time: WallClock.now())
        let joined = try statement(fleet, by: "ada")
        for _ in 0..<2 {
            let enrollment = try await enroll(
                fleet,
                token: fleet.fleet,
                statement: joined,
                seen: Seen(),
                folder: folder
            )
            #expect(enrollment.fleet == fleet.fleet)
            #expect(try folder.read("tuf/root.json") == fleet.files["metadata/1.root.json"])
            #expect(try folder.read("ssh-revoked.krl") == nil && folder.read("memory.json") == nil)
        }
    }

    @Test("an enroll statement by nobody in the policy is refused, and the service never sees the secret")
    func forgedStatement() async throws {
        let fleet = try FleetSimulator(time: WallClock.now())
        let seen = Seen()
        let folder = try TemporaryFolder()
        let forged = try statement(fleet, by: "eve")
        let error = await #expect(throws: EnrollmentError.self) {
            try await enroll(fleet, token: fleet.fleet, statement: forged, seen: seen, folder: folder)
        }
        #expect(error?.message.contains("refused") == true)
        #expect(seen.requests.withLock { $0.isEmpty })
        #expect(try Enrollment.load(AgentPaths(folder.path)) == nil)
    }
}
