import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterKeys
import MusterModel
import MusterSystem
import MusterTestSupport

/// Speaks for a node by hand: with its key, from any machine of the mesh.
struct NodeVoice: Sendable {
    let node: NodeID
    private let fleet: FleetID
    private let keyFile: String
    private let address: String
    private let place: NetworkNamespace

    /// The voice of a node whose key was copied to the machine `member`.
    init(of node: String, from member: String, _ whole: MeshFleet) throws {
        let state = whole.fleet.stateFolder(node)
        let text = try BoundedFile.read(state + "/enrollment.json", limit: 1 << 20)
        let enrollment = try JSONFields(try JSONValue.parse(text, limit: 1 << 20))
        self.node = try enrollment.name("node")
        fleet = try enrollment.name("fleet")
        keyFile = state + "/node.key"
        address = try whole.mesh.member(MeshFleet.service).address
        place = try whole.mesh.member(member).namespace
    }

    /// Opens a session: its token, or the answer that refused it.
    func session() async throws -> (token: String?, answer: ReachAttempt) {
        let asked = try await post("/v1/node/challenge", NodeChallengeRequest(node: node).json)
        guard asked.status == 200 else { return (nil, asked) }
        let challenge = try ChallengeReply(try Self.fields(asked)).challenge
        let proof = NodeSessionRequest.proof(fleet: fleet, node: node, challenge: challenge)
        let signature = try NodeKeyFile.read(keyFile).sign(proof.canonicalBytes)
        let request = NodeSessionRequest(node: node, challenge: challenge, signature: signature)
        let opened = try await post("/v1/node/session", request.json)
        guard opened.status == 200 else { return (nil, opened) }
        return (try SessionReply(try Self.fields(opened)).token, opened)
    }

    /// Waits for a manifest newer than `sequence`, or a refusal, for as long as it takes.
    func wait(_ token: String, after sequence: Int = 0) async throws -> ReachAttempt {
        while true {
            let answer = try await poll(token, after: sequence)
            if answer.status != 204 { return answer }
        }
    }

    /// Asks once for a manifest newer than `sequence`, which may take 50 seconds.
    func poll(_ token: String, after sequence: Int = 0) async throws -> ReachAttempt {
        try await place.request(
            "GET",
            "/v1/node/manifest?after=\(sequence)&wait=50",
            at: address,
            port: MeshFleet.port,
            headers: ["Authorization": "Bearer \(token)"],
            timeout: .seconds(60)
        )
    }

    private func post(_ path: String, _ body: JSONValue) async throws -> ReachAttempt {
        try await place.request(
            "POST",
            path,
            at: address,
            port: MeshFleet.port,
            headers: ["Content-Type": "application/json"],
            body: body.jsonBytes
        )
    }

    private static func fields(_ answer: ReachAttempt) throws -> JSONFields {
        try JSONFields(try JSONValue.parse(Array(answer.body.utf8), limit: 1 << 20))
    }
}
