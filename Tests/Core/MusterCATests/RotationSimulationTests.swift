import ByteCoding
import MusterCA
import MusterModel
import MusterTestSupport
import OpenSSHFormats
import Testing

@Suite("Rotations of a CA, simulated")
struct RotationSimulationTests {
    @Test("Whatever is tried in whatever order, no reachable node ever refuses a good certificate", arguments: 0..<40)
    func simulated(_ seed: UInt64) throws {
        var fleet = try SimulatedFleet(seed: seed)
        var steps = 0
        for _ in 0..<600 {
            if try fleet.turn() { steps += 1 }
            try fleet.check()
        }
        // The simulation is worth nothing unless rotations come to their end.
        #expect(steps > 3, "seed \(seed): \(steps) steps, \(fleet.retired) keys retired")
    }

    @Test("Rotations come to their end, whatever else is tried meanwhile")
    func progress() throws {
        var retired = 0
        for seed in 100..<110 {
            var fleet = try SimulatedFleet(seed: UInt64(seed))
            for _ in 0..<600 { _ = try fleet.turn() }
            retired += fleet.retired
        }
        #expect(retired >= 5)
    }

    @Test("What a new host CA waits for before it signs is judged from its announcement, not from the step itself")
    func sinceAnnounced() throws {
        let time = UTCTime(milliseconds: 1_700_000_000_000)
        let user = try TestKey("a").ssh
        let trust = try SimulatedFleet.trust(user, try TestKey("host").ssh, time)
        func next(_ step: AuthorityRotation.Step, after trust: SSHTrust, minutes: Int64) throws -> SSHTrust {
            let moment = time.adding(seconds: minutes * 60)
            return try AuthorityRotation.document(
                after: step,
                of: .host,
                in: trust,
                newKey: try TestKey("b").ssh,
                at: moment
            )
        }
        func obstacle(issuedAtMinute minute: Int64) throws -> String? {
            let announced = try next(.announce, after: trust, minutes: 10)
            let certificate = RotationProof.Certificate(
                serial: 1,
                kind: .user,
                holder: "ada",
                authority: user,
                issued: time.adding(seconds: minute * 60),
                validBefore: time.adding(seconds: 7200)
            )
            let proof = RotationProof(nodes: [], certificates: [certificate], published: time.adding(seconds: 600))
            return AuthorityRotation.obstacle(
                from: announced,
                to: try next(.sign, after: announced, minutes: 30),
                whySigning: { proof.beforeSigning($0, $1).waiting.first },
                whyGone: { proof.beforeGoing($0, $1).waiting.first }
            )
        }
        #expect(try obstacle(issuedAtMinute: 5) != nil)
        #expect(try obstacle(issuedAtMinute: 20) == nil)
    }

    @Test("Only the next step and the step back are possible, and every other one says why")
    func order() throws {
        let time = UTCTime(milliseconds: 1_700_000_000_000)
        let (a, b) = (try TestKey("a").ssh, try TestKey("b").ssh)
        var trust = try SimulatedFleet.trust(a, try TestKey("host").ssh, time)
        func next(_ step: AuthorityRotation.Step) throws -> SSHTrust {
            try AuthorityRotation.document(after: step, of: .user, in: trust, newKey: b, at: time)
        }
        for step in [AuthorityRotation.Step.sign, .retire, .rollBack] {
            #expect(throws: AuthorityRotation.Refusal.self) { try next(step) }
        }
        trust = try next(.announce)
        for step in [AuthorityRotation.Step.announce, .retire] {
            #expect(throws: AuthorityRotation.Refusal.self) { try next(step) }
        }
        #expect(try next(.rollBack).userAuthorities.map(\.publicKey) == [a])
        trust = try next(.sign)
        #expect(trust.signing(.user)?.publicKey == b)
        #expect(try next(.rollBack).signing(.user)?.publicKey == a)
        trust = try next(.retire)
        #expect(trust.userAuthorities.map(\.publicKey) == [b] && trust.version == 4)
        // The other kind was not touched.
        #expect(trust.hostAuthorities.map(\.phase) == [.signing])
    }
}

/// A fleet whose nodes fetch documents when they like, drop out and come back, while somebody rotates its user CA.
private struct SimulatedFleet {
    struct Node {
        let name: String
        var isReachable = true
        /// The document that its sshd is configured by.
        var trust: SSHTrust
        /// The fingerprints that it last reported.
        var reported: Set<String> = []
        var lastSeen: UTCTime
    }

    private var random: SeededGenerator
    private var time = UTCTime(milliseconds: 1_700_000_000_000)
    private var trust: SSHTrust
    private var nodes: [Node]
    private var certificates: [RotationProof.Certificate] = []
    private var serial: Int64 = 0
    private var keys = 1
    private(set) var retired = 0

    init(seed: UInt64) throws {
        random = SeededGenerator(seed: seed)
        let first = try Self.trust(try TestKey("ca-1").ssh, try TestKey("host").ssh, time)
        trust = first
        let now = time
        nodes = (0..<5).map { Node(name: "node-\($0)", trust: first, lastSeen: now) }
    }

    static func trust(_ user: SSHPublicKey, _ host: SSHPublicKey, _ time: UTCTime) throws -> SSHTrust {
        func authority(_ key: SSHPublicKey) -> SSHTrust.Authority {
            let expires = time.adding(seconds: 3650 * 86400)
            return SSHTrust.Authority(publicKey: key, phase: .signing, since: time, expires: expires)
        }
        return try SSHTrust(version: 1, userAuthorities: [authority(user)], hostAuthorities: [authority(host)])
    }

    /// Something happens; whether it was a step of a rotation.
    mutating func turn() throws -> Bool {
        time = time.adding(seconds: Int64.random(in: 1...600, using: &random))
        let now = time
        certificates.removeAll { $0.validBefore <= now }
        let index = Int.random(in: 0..<nodes.count, using: &random)
        switch Int.random(in: 0..<10, using: &random) {
        case 0: nodes[index].isReachable = false
        case 1 where !nodes[index].isReachable:
            // Contact begins with fetching what is trusted.
            nodes[index].isReachable = true
            nodes[index].trust = trust
            report(index)
        case 2, 3,
            4 where nodes[index].isReachable:
            nodes[index].trust = trust
        case 5,
            6 where nodes[index].isReachable:
            report(index)
        case 7: issue()
        default: return try attempt(AuthorityRotation.Step.allCases.randomElement(using: &random) ?? .sign)
        }
        return false
    }

    /// Every certificate that is good is taken by every node that is in contact.
    func check() throws {
        for node in nodes where node.isReachable {
            let trusted = Set(node.trust.userAuthorities.map(\.publicKey))
            for certificate in certificates {
                #expect(
                    trusted.contains(certificate.authority),
                    "\(node.name) at version \(node.trust.version) of \(trust.version) refuses \(certificate.serial)"
                )
            }
            let signing = try #require(trust.signing(.user)).publicKey
            #expect(trusted.contains(signing), "\(node.name) would refuse what is issued now")
        }
        if trust.userAuthorities.contains(where: { $0.phase == .retiring }) {
            let back = try AuthorityRotation.document(after: .rollBack, of: .user, in: trust, at: time)
            #expect(AuthorityRotation.possible(.user, in: back).contains(.rollBack))
        }
    }

    private mutating func report(_ index: Int) {
        nodes[index].reported = Set(nodes[index].trust.userAuthorities.map(\.publicKey.fingerprint))
        nodes[index].lastSeen = time
    }

    private mutating func issue() {
        guard let authority = trust.signing(.user)?.publicKey else { return }
        serial += 1
        certificates.append(
            RotationProof.Certificate(
                serial: serial,
                kind: .user,
                holder: "ada",
                authority: authority,
                issued: time,
                validBefore: time.adding(seconds: Int64.random(in: 60...7200, using: &random))
            )
        )
    }

    private var proof: RotationProof {
        RotationProof(
            nodes: nodes.map { node in
                RotationProof.Node(
                    name: node.name,
                    unreachableSince: node.isReachable ? nil : node.lastSeen,
                    userAuthorities: node.reported,
                    hostCertificates: [],
                    problem: ""
                )
            },
            certificates: certificates,
            published: UTCTime(milliseconds: 0)
        )
    }

    /// What the service does: nothing while it waits, and no document that its own check would refuse.
    private mutating func attempt(_ step: AuthorityRotation.Step) throws -> Bool {
        let newKey = try TestKey("ca-\(keys + 1)").ssh
        guard
            let next = try? AuthorityRotation.document(after: step, of: .user, in: trust, newKey: newKey, at: time)
        else { return false }
        let proof = proof
        let obstacle = AuthorityRotation.obstacle(
            from: trust,
            to: next,
            whySigning: { proof.beforeSigning($0, $1).waiting.first },
            whyGone: { proof.beforeGoing($0, $1).waiting.first }
        )
        guard obstacle == nil else { return false }
        if step == .announce { keys += 1 }
        if step == .retire { retired += 1 }
        trust = next
        return true
    }
}
