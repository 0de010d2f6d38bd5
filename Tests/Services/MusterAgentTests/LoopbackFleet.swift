import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import SignatureVerification
import Synchronization

/// A fleet service over HTTP for one node: repository, sessions, reports, enrollment as the test says.
final class LoopbackFleet: Sendable {
    struct State {
        /// What is below `/tuf/`.
        var files: [String: [UInt8]]
        /// The node's key, once it has asked to join.
        var nodeKey: [UInt8] = []
        var enrollRequests = 0
        var reports: [NodeReport] = []
        /// Sessions that were opened by a valid signature.
        var sessions = 0
        /// Sessions up to this one are not accepted any more.
        var revoked = 0
    }

    let state: Mutex<State>
    private let fleet: FleetID
    private let enroll: @Sendable (EnrollRequest, _ count: Int) throws -> EnrollReply

    init(
        _ simulator: FleetSimulator,
        enroll: @escaping @Sendable (EnrollRequest, _ count: Int) throws -> EnrollReply = { _, _ in
            throw FleetSimulator.Failure.impossible
        }
    ) {
        state = Mutex(State(files: simulator.files))
        fleet = simulator.fleet
        self.enroll = enroll
    }

    func answer(_ request: LoopbackServer.Request) -> LoopbackServer.Reply {
        do {
            return try reply(request)
        } catch {
            return .init(400)
        }
    }

    private func reply(_ request: LoopbackServer.Request) throws -> LoopbackServer.Reply {
        if request.path.hasPrefix("/tuf/") {
            let file = state.withLock { $0.files[String(request.path.dropFirst(5))] }
            return file.map { .init(200, .bytes($0)) } ?? .init(404)
        }
        switch request.path {
        case "/v1/enroll":
            let body = try EnrollRequest.parse(request.body)
            let count = state.withLock { state in
                state.nodeKey = body.nodeKey
                state.enrollRequests += 1
                return state.enrollRequests
            }
            return .init(200, .bytes(try enroll(body, count).json.jsonBytes))
        case "/v1/node/challenge":
            return .init(200, .bytes(ChallengeReply(challenge: Self.challenge).json.jsonBytes))
        case "/v1/node/session": return try session(request)
        case "/v1/node/report":
            guard isOpen(request) else { return .init(401) }
            let report = try NodeReport.parse(request.body)
            state.withLock { $0.reports.append(report) }
            return .init(200, .bytes(ReportReply(nextSeconds: 60, time: WallClock.now()).json.jsonBytes))
        case "/v1/node/host-certificate":
            guard isOpen(request) else { return .init(401) }
            let lines = try HostCertificateRequest.parse(request.body).publicKeys.map { try Self.hostCertificate($0) }
            return .init(200, .bytes(HostCertificateReply(certificates: lines).json.jsonBytes))
        case "/v1/node/manifest": return .init(isOpen(request) ? 204 : 401)
        default: return .init(404)
        }
    }

    private static func hostCertificate(_ line: String) throws -> String {
        var draft = CertificateDraft(try SSHPublicKey(line: line), principals: ["web-1"], time: WallClock.now())
        draft.kind = .host
        draft.sourceAddress = nil
        draft.permissions = []
        draft.serial = 41
        return try draft.signed(by: FleetSimulator.hostAuthority).line
    }

    private static let challenge = [UInt8](repeating: 9, count: 32)

    private func session(_ request: LoopbackServer.Request) throws -> LoopbackServer.Reply {
        let body = try NodeSessionRequest.parse(request.body)
        let proof = NodeSessionRequest.proof(fleet: fleet, node: body.node, challenge: Self.challenge)
        let number: Int? = state.withLock { state in
            guard
                Ed25519.verify(
                    signature: body.signature,
                    message: proof.canonicalBytes,
                    publicKey: state.nodeKey
                )
            else { return nil }
            state.sessions += 1
            return state.sessions
        }
        guard let number else { return .init(401) }
        let reply = SessionReply(token: "session-\(number)", expires: WallClock.now().adding(seconds: 3600))
        return .init(200, .bytes(reply.json.jsonBytes))
    }

    private func isOpen(_ request: LoopbackServer.Request) -> Bool {
        let prefix = "Bearer session-"
        guard let header = request.headers["authorization"], header.hasPrefix(prefix),
            let number = Int(header.dropFirst(prefix.count))
        else { return false }
        return state.withLock { number > $0.revoked && number <= $0.sessions }
    }
}
