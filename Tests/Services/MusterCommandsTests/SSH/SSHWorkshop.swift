import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterTestSupport
import OpenSSHFormats

/// A fleet with SSH certificates, and records of what happens there.
extension Workshop {
    private static let minute: Int64 = 60

    /// A fleet that ada made before there were SSH certificates, and turned them on in.
    static func sshFleet(_ body: (Workshop, Person) async throws -> Void) async throws {
        try await fleet { workshop, ada in
            workshop.service.with { $0.ssh.hasAuthorities = true }
            let enabled = await ada.signs("ssh", "enable")
            guard enabled.status == 0 else { throw Failure.command(enabled.all) }
            try await body(workshop, ada)
        }
    }

    /// So many minutes from the fake service's moment.
    static func moment(_ minutes: Int64) -> UTCTime { FakeService.time.adding(seconds: minutes * minute) }

    static func node(_ name: String, ssh: SSHReport? = nil, state: String = "online") throws -> NodeRecord {
        NodeRecord(
            id: try NodeID(parsing: "node-" + name),
            name: name,
            tags: [],
            address: "100.64.0.9",
            enrolled: moment(-1000),
            lastSeen: moment(0),
            state: state,
            report: .bookworm(ssh: ssh),
            packages: []
        )
    }

    /// A user certificate of ada's for web1, or one of a host.
    static func issued(
        _ serial: Int64,
        _ kind: SSHAuthorityKind = .user,
        at: Int64 = -5,
        until: Int64 = 55,
        origin: String = "laptop",
        revoked: Int64? = nil
    ) throws -> SSHIssuedRecord {
        SSHIssuedRecord(
            serial: serial,
            kind: kind,
            keyID: kind == .user ? "ada/laptop/\(serial)" : "host/web1",
            operatorName: kind == .user ? "ada" : "",
            node: kind == .user ? nil : try NodeID(parsing: "node-web1"),
            origin: origin,
            principals: kind == .user ? ["root"] : ["web1", "100.64.0.9"],
            targets: kind == .user ? ["node:node-web1"] : [],
            issued: moment(at),
            validAfter: moment(at - 1),
            validBefore: moment(until),
            fingerprint: "SHA256:key",
            authority: "SHA256:ca",
            statement: nil,
            revoked: revoked.map(moment)
        )
    }

    /// A request that waits, of ben's unless told, with ben's signature; `number` is the first digit of its id.
    func waiting(
        _ number: Int = 1,
        fleet: FleetID? = nil,
        requester: String = "ben",
        user: String = "deploy",
        nodes: [NodeSelector]? = nil,
        issued: Int64 = -2,
        expires: Int64 = 600,
        command: String? = nil
    ) throws -> SSHWaitingRecord {
        guard let own = service.with({ $0.fleet }), let name = OperatorName(requester), let user = AccountName(user),
            let id = StatementID("\(number)" + String(repeating: "0", count: 31))
        else { throw Failure.command("no fleet") }
        let statement = Statement(
            fleet: fleet ?? own,
            id: id,
            requester: name,
            issued: Self.moment(issued),
            expires: Self.moment(expires),
            body: .sshCertificate(
                SSHCertificateBody(
                    publicKey: try TestKey("ephemeral").ssh,
                    user: user,
                    nodes: try nodes ?? [.node(try NodeID(parsing: "node-web1"))],
                    seconds: 3600,
                    command: command,
                    reason: "the disk is full"
                )
            )
        )
        return SSHWaitingRecord(
            statement: try statement.signed(),
            signers: [name],
            missing: "1 of ada",
            asked: Self.moment(-2),
            origin: "desk"
        )
    }

    /// The CAs as they are after `ssh enable`, or in the midst of a rotation of the user CA.
    static func trust(next: SSHTrust.Phase? = nil) throws -> SSHTrust {
        let year: Int64 = 365 * 24 * 60
        func authority(_ key: TestKey, _ phase: SSHTrust.Phase) throws -> SSHTrust.Authority {
            SSHTrust.Authority(publicKey: try key.ssh, phase: phase, since: moment(0), expires: moment(year))
        }
        let (now, next) = (FakeService.userAuthority, try next.map { try authority(TestKey("next-user-ca"), $0) })
        return try SSHTrust(
            version: next == nil ? 1 : 2,
            userAuthorities: [try authority(now, next?.phase == .signing ? .retiring : .signing)]
                + [next].compactMap(\.self),
            hostAuthorities: [try authority(FakeService.hostAuthority, .signing)]
        )
    }

    static func rotation(
        _ trust: SSHTrust,
        user next: SSHRotationRequest.Action? = nil,
        waiting: [String] = [],
        unreachable: [String] = [],
        proved: Int = 0,
        proposal: SSHTrust? = nil
    ) -> SSHRotationRecord {
        func kind(_ kind: SSHAuthorityKind, _ next: SSHRotationRequest.Action?) -> SSHRotationRecord.Kind {
            SSHRotationRecord.Kind(
                kind: kind,
                possible: next.map { [$0, .rollBack] } ?? [.announce],
                next: next,
                waiting: next == nil ? [] : waiting,
                unreachable: next == nil ? [] : unreachable,
                proved: proved,
                nodes: 3
            )
        }
        return SSHRotationRecord(
            trust: trust,
            proposal: proposal,
            kinds: [kind(.user, next), kind(.host, nil)],
            detail: ""
        )
    }

    /// How far version 3 has come on three nodes.
    static func revocations(
        _ states: [SSHRevocationsRecord.Node.State] = [.acknowledged, .acknowledged, .acknowledged],
        entries: Int = 1,
        problem: String = ""
    ) throws -> SSHRevocationsRecord {
        SSHRevocationsRecord(
            version: 3,
            entries: (0..<entries).map { index in
                SSHRevocationsRecord.Entry(
                    subject: "serial \(17 - index)",
                    reason: "laptop lost",
                    actor: "ada",
                    time: moment(Int64(-index)),
                    version: Int64(max(1, 3 - index)),
                    certificates: index == 0 ? 1 : 2
                )
            },
            nodes: try states.enumerated().map { index, state in
                SSHRevocationsRecord.Node(
                    id: try NodeID(parsing: "node-web\(index + 1)"),
                    name: "web\(index + 1)",
                    state: state,
                    version: state == .acknowledged ? 3 : nil,
                    lastSeen: moment(state == .unreachable ? -60 : 0),
                    problem: index == 0 ? problem : ""
                )
            }
        )
    }
}

extension NodeID {
    init(parsing text: String) throws {
        guard let id = NodeID(text) else { throw Workshop.Failure.command("'\(text)' is no node id") }
        self = id
    }
}

extension Person.Outcome {
    /// What was printed, as JSON.
    var json: JSONValue {
        get throws { try JSONValue.parse(Array(output.utf8), limit: 1 << 22) }
    }
}
