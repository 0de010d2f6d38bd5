import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel
import MusterSystem
import MusterTestSupport
import SignatureVerification
import Tailnet

@testable import MusterServer

/// A service on a tailnet: tailscaled is a stand-in, and loopback addresses stand for tailnet ones, so that every caller has
/// the address it says.
///
/// Only 127.0.0.1 is the service's own machine.
struct TailnetFleet: Sendable {
    let fixture: ServerFixture
    let tailscaled: LocalAPIStandIn

    /// The addresses of `alpha` and `beta`, a user's and a tagged node, and one that nobody has.
    static let alpha = "127.0.64.5"
    static let alpha2 = "127.0.65.5"
    static let beta = "127.0.64.6"
    static let stranger = "127.0.66.6"

    /// Runs `body` with a service whose policy gives `ada` the login `ada@example.com`.
    static func run(
        logins: [String: [String]] = ["ada": ["ada@example.com"]],
        options change: @Sendable (inout ServeOptions) -> Void = { _ in },
        _ body: (TailnetFleet) async throws -> Void
    ) async throws {
        try await LocalAPIStandIn.run { tailscaled in
            tailscaled.setOwn { $0.addresses = ["127.0.0.1"] }
            tailscaled.add(.init("alpha", [alpha, alpha2]))
            tailscaled.add(.init("beta", [beta], tags: ["tag:web"]))
            let folder = try TemporaryFolder()
            try await ServerFixture.run(
                in: folder.file("service"),
                withFleet: true,
                as: try simulator(logins),
                options: { options in
                    options.tailnet = .tailscale(socket: tailscaled.socket)
                    Self.asTailnet(&options)
                    change(&options)
                }
            ) { fixture in
                try await body(TailnetFleet(fixture: fixture, tailscaled: tailscaled))
            }
        }
    }

    /// Lets loopback addresses other than 127.0.0.1 be asked about, and nothing be remembered.
    static func asTailnet(_ options: inout ServeOptions) {
        options.isThisMachine = { $0 == IPAddress("127.0.0.1") }
        options.tailnetSeconds = 0
        options.tailnetWatchSeconds = 1
        options.tailnetPatience = .zero
    }

    /// A fleet whose operators have these logins.
    static func simulator(_ logins: [String: [String]]) throws -> FleetSimulator {
        var fleet = try FleetSimulator(time: WallClock.now())
        guard case .object(var document) = fleet.policyDocument, case .object(var operators)? = document["operators"]
        else { throw FleetSimulator.Failure.impossible }
        for (name, texts) in logins {
            guard case .object(var person)? = operators[name] else { throw FleetSimulator.Failure.impossible }
            person["tailnet"] = .array(texts.map { .string($0) })
            operators[name] = .object(person)
        }
        document["operators"] = .object(operators)
        fleet.policyDocument = .object(document)
        try fleet.publish()
        return fleet
    }

    /// A client that calls from an address; `close()` it.
    func client(_ address: String) throws -> MusterClient {
        try MusterClient(service: fixture.url, options: HTTPTransport.Options(localAddress: address))
    }

    /// One plain request from an address.
    func status(
        _ path: String,
        from address: String,
        method: HTTPRequest.Method = .get,
        headers: [(String, String)] = []
    ) async throws -> Int {
        try await reply(path, from: address, method: method, headers: headers).status
    }

    /// One plain request from an address, with its whole answer.
    func reply(
        _ path: String,
        from address: String,
        method: HTTPRequest.Method = .get,
        headers: [(String, String)] = []
    ) async throws -> HTTPReply {
        let request = HTTPRequest(
            fixture.url + path,
            method: method,
            headers: headers,
            body: method == .get ? .none : .bytes(Array("{}".utf8)),
            limit: 1_000_000
        )
        return try await calling(from: address) { try await $0.transport.exchange(request) }
    }

    /// The one node of a test, which has joined from an address by the fleet's token.
    func joined(_ name: String, at address: String) async throws -> TailnetNode {
        let secret = try await fixture.token(uses: 1, by: try await fixture.login())
        return try await node(name, at: address, secret: secret)
    }

    /// A node that has joined from an address.
    func node(_ name: String, at address: String, secret: [UInt8]) async throws -> TailnetNode {
        let key = TestKey("node-" + name)
        let reply = try await calling(from: address) { client in
            try await client.enroll(fixture.enrollRequest(key, name: name, secret: secret))
        }
        guard case .enrolled(let id, _, _) = reply else { throw FleetSimulator.Failure.impossible }
        return TailnetNode(fleet: self, id: id, key: key)
    }

    /// Makes calls from an address.
    func calling<Value: Sendable>(
        from address: String,
        _ body: (MusterClient) async throws -> Value
    ) async throws -> Value {
        let client = try client(address)
        do {
            let value = try await body(client)
            await client.close()
            return value
        } catch {
            await client.close()
            throw error
        }
    }

    /// The events of one type so far.
    func events(_ type: String) async throws -> [EventRecord] {
        let session = try await fixture.login()
        return try await fixture.client.events(after: 0, wait: 0, session: session).filter { $0.type == type }
    }
}

/// A node that talks from whichever address a test says.
struct TailnetNode: Sendable {
    let fleet: TailnetFleet
    let id: NodeID
    let key: TestKey

    /// A session opened from an address, by this node's key or a thief's.
    func session(from address: String, by key: TestKey? = nil) async throws -> String {
        try await fleet.calling(from: address) { client in
            let challenge = try await client.nodeChallenge(id).challenge
            let proof = NodeSessionRequest.proof(fleet: fleet.fixture.fleet.fleet, node: id, challenge: challenge)
            let signature = (key ?? self.key).sign(proof.canonicalBytes)
            return try await client.nodeSession(
                NodeSessionRequest(node: id, challenge: challenge, signature: signature)
            ).token
        }
    }

    /// A report from an address, under a session.
    func report(_ session: String, from address: String) async throws {
        try await fleet.calling(from: address) { client in
            _ = try await client.report(TestNode.report(version: "1.0"), session: session)
        }
    }

    /// A long poll from an address, under a session.
    func manifest(_ session: String, from address: String, wait: Int) async throws -> [UInt8]? {
        try await fleet.calling(from: address) { client in
            try await client.manifest(after: 0, wait: wait, session: session)
        }
    }
}
