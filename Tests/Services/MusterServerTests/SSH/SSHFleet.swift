import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterKeys
import MusterModel
import MusterPolicy
import MusterStore
import MusterSystem
import MusterTestSupport
import MusterTrust
import OpenSSHFormats
import SignatureVerification
import TUF
import TUFTrust

@testable import MusterServer

/// A service whose fleet has SSH certificates, and what tests do with it.
struct SSHFleet {
    let fixture: ServerFixture
    let session: String

    /// Runs `body` with a fleet whose policy has these rules beside `ada`'s, who may do everything.
    static func run(
        rules: [JSONValue] = [],
        enabled: Bool = true,
        prepare: (inout FleetSimulator) throws -> Void = { _ in },
        options: (inout ServeOptions) -> Void = { _ in },
        _ body: (SSHFleet) async throws -> Void
    ) async throws {
        let directory = "/tmp/muster-ssh-test-" + Hex.encode(RandomBytes.make(8))
        defer { removeTree(directory) }
        try await run(in: directory, rules: rules, enabled: enabled, prepare: prepare, options: options, body)
    }

    /// The same in a folder that may have been another's before.
    static func run(
        in directory: String,
        as former: FleetSimulator? = nil,
        rules: [JSONValue] = [],
        enabled: Bool = true,
        prepare: (inout FleetSimulator) throws -> Void = { _ in },
        options: (inout ServeOptions) -> Void = { _ in },
        _ body: (SSHFleet) async throws -> Void
    ) async throws {
        let simulator = try former ?? simulator(rules, enabled, prepare)
        try await ServerFixture.run(in: directory, withFleet: former == nil, as: simulator, options: options) {
            fixture in
            try await body(SSHFleet(fixture: fixture, session: fixture.login()))
        }
    }

    private static func simulator(
        _ rules: [JSONValue],
        _ enabled: Bool,
        _ prepare: (inout FleetSimulator) throws -> Void
    ) throws -> FleetSimulator {
        var simulator = try FleetSimulator(time: WallClock.now())
        simulator.policyDocument = try policy(simulator.policyDocument, rules)
        if enabled { try simulator.trustSSH() }
        try prepare(&simulator)
        try simulator.publish()
        return simulator
    }

    /// The default policy with rules for logins.
    static func policy(_ document: JSONValue, _ rules: [JSONValue]) throws -> JSONValue {
        guard case .object(var object) = document else { throw FleetSimulator.Failure.impossible }
        let owner: JSONValue = [
            "name": "owner",
            "allow": [
                "enroll", "tag-node", "upgrade", "roll-back", "extend-node", "exempt-node", "remove-node",
                "ssh-certificate", "revoke",
            ],
            "who": ["ada"], "nodes": ["*"], "tags": ["*"], "users": ["*"],
        ]
        object["rules"] = .array([owner] + rules)
        return .object(object)
    }

    /// `ben` may log in as deploy on web nodes once a lead approves.
    static let withApproval: JSONValue = [
        "name": "web logins", "allow": ["ssh-certificate"], "who": ["ben"], "nodes": ["tag:web"], "users": ["deploy"],
        "max_seconds": 3600, "approvals": ["count": 1, "from": ["group:leads"]],
    ]

    var service: FleetService { fixture.server.service }
    var client: MusterClient { fixture.client }
    var now: UTCTime { fixture.clock.now() }
    var fleet: FleetSimulator { fixture.fleet }

    /// Nodes with these names that have joined.
    func nodes(_ names: [String], tags: [String] = ["web"]) async throws -> [TestNode] {
        let secret = try await fixture.token(uses: names.count, tags: tags, seed: names.joined(), by: session)
        var nodes: [TestNode] = []
        for name in names { nodes.append(try await fixture.node(name, secret: secret)) }
        return nodes
    }

    // MARK: - Certificates

    /// A statement that asks for a certificate.
    func statement(
        _ nodes: [NodeSelector],
        by signers: [String] = ["ada"],
        user: String = "deploy",
        seconds: Int64 = 3600,
        seed: String = Hex.encode(RandomBytes.make(8)),
        lifetime: Int64 = 86400,
        command: String? = nil,
        key: String = "ephemeral",
        issued: UTCTime? = nil
    ) throws -> SignedStatement {
        guard let account = AccountName(user) else { throw FleetSimulator.Failure.impossible }
        let body = SSHCertificateBody(
            publicKey: try TestKey(key).ssh,
            user: account,
            nodes: nodes,
            seconds: seconds,
            command: command
        )
        return try fleet.statement(
            .sshCertificate(body),
            by: signers,
            seed: seed,
            lifetime: lifetime,
            issued: issued ?? now
        )
    }

    /// A certificate for a node, issued at once.
    func certificate(
        on node: NodeID,
        seconds: Int64 = 3600,
        seed: String = Hex.encode(RandomBytes.make(8))
    ) async throws -> SSHCertificate {
        let reply = try await client.requestCertificate(try statement([.node(node)], seconds: seconds, seed: seed))
        guard let line = reply.certificate else { throw FleetSimulator.Failure.impossible }
        return try SSHCertificate(line: line)
    }

    /// What a node says to a login with a certificate.
    func verdict(_ certificate: SSHCertificate, on node: NodeID, tags: [String] = ["web"]) throws -> SSHLoginVerdict {
        let login = SSHLoginVerifier.Login(
            certificate: certificate.blob,
            user: certificate.content.principals[0],
            node: NodeFacts(id: node, tags: Set(tags.compactMap(Tag.init)))
        )
        let policy = try FleetPolicy(parsing: fleet.policyDocument.canonicalBytes)
        return SSHLoginVerifier.verify(login, policy: policy, fleet: fleet.fleet, time: now)
    }

    // MARK: - Revocation

    /// Revokes something.
    @discardableResult
    func revoke(_ subject: RevokeBody.Subject, by signers: [String] = ["ada"]) async throws -> StatementReply {
        let body = RevokeBody(subject: subject, reason: "laptop lost")
        let seed = Hex.encode(RandomBytes.make(8))
        return try await client.send(
            try fleet.statement(.revoke(body), by: signers, seed: seed, issued: now),
            session: session
        )
    }

    /// The KRL as a client gets it, by trusted metadata.
    func revocationList() async throws -> SSHRevocationList {
        guard let publication = service.repository.current,
            let file = publication.trusted.loadedTargetFile("ssh/revoked.krl"),
            let sha256 = file.hashes.fileNamePrefix
        else { throw FleetSimulator.Failure.impossible }
        let reply = try await client.transport.exchange(
            HTTPRequest(fixture.url + "/tuf/targets/ssh/\(sha256).revoked.krl", limit: SSHRevocationList.byteLimit)
        )
        guard reply.status == 200, file.hashes.match(reply.body), file.length == Int64(reply.body.count) else {
            throw FleetSimulator.Failure.impossible
        }
        return try SSHRevocationList(bytes: reply.body)
    }

    /// Waits for something that the service does by itself.
    func wait(_ what: String, until isReached: () async throws -> Bool) async throws {
        for _ in 0..<1200 {
            if try await isReached() { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw RunningProgram.Failure("it did not come to this: \(what)")
    }

    /// Events of a type.
    func events(_ type: String) async throws -> [EventRecord] {
        try await client.events(after: 0, wait: 0, session: session).filter { $0.type == type }
    }
}

extension TestNode {
    /// Reports what its sshd does.
    func report(ssh: SSHReport?, to fixture: ServerFixture) async throws {
        var report = Self.report(version: "1.0")
        report.ssh = ssh
        _ = try await fixture.client.report(report, session: session)
    }
}
