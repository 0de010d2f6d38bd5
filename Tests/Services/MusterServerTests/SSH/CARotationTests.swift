import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterKeys
import MusterModel
import MusterSigners
import MusterStore
import MusterTestSupport
import OpenSSHFormats
import SignatureVerification
import Testing

@testable import MusterServer

@Suite("CAs rotate in phases, and nobody is locked out")
struct CARotationTests {
    @Test("Announced, proved, signing, retired: each step waits for what it names, and logins work throughout")
    func user() async throws {
        try await SSHFleet.run { fleet in
            let nodes = try await fleet.nodes(["alpha", "beta", "gamma"])
            let old = try FleetSimulator.userAuthority.ssh
            for node in nodes { try await report(node, trusting: [old], fleet) }
            let before = try await fleet.certificate(on: nodes[0].id, seconds: 3600)

            let announced = try await step(fleet, .user, .announce)
            let next = try #require(announced.userAuthorities.last?.publicKey)
            #expect(announced.userAuthorities.map(\.phase) == [.signing, .announced])
            #expect(announced.version == 2 && next != old)

            // Nobody has proved it yet; gamma is not in contact and is not waited for.
            #expect(try await refusal(fleet, .user, .sign)?.contains("alpha has not proved") == true)
            fleet.fixture.clock.advance(seconds: 600)
            let session = try await fleet.fixture.login()
            try await report(nodes[0], trusting: [old, next], fleet)
            try await report(nodes[1], trusting: [old], fleet, problem: "sshd -t failed")
            let why = try await refusal(fleet, .user, .sign, session)
            #expect(why?.contains("beta has not proved") == true && why?.contains("sshd -t failed") == true)
            #expect(why?.contains("alpha") == false && why?.contains("gamma") == false)
            // Nor does a document signed by the policy keys get through.
            let forced = await SSHFleet.problem {
                try await publish(fleet, try announced.signing(next, at: fleet.now), session)
            }
            #expect(forced?.status == 409 && forced?.detail.contains("beta") == true)

            try await report(nodes[1], trusting: [old, next], fleet)
            let signing = try await step(fleet, .user, .sign, session)
            #expect(signing.userAuthorities.map(\.phase) == [.retiring, .signing])
            let after = try await fleet.certificate(on: nodes[0].id, seconds: 600)
            #expect(after.content.authority == next && before.content.authority == old)

            // The first certificate is good for a while: its CA stays.
            #expect(
                try await refusal(fleet, .user, .retire, session)?.contains("ada: certificate 1 is good until") == true
            )
            fleet.fixture.clock.advance(seconds: 3601)
            let later = try await fleet.fixture.login()
            let retired = try await step(fleet, .user, .retire, later)
            #expect(retired.userAuthorities.map(\.publicKey) == [next] && retired.userAuthorities[0].phase == .signing)
            // The key is the present one now, and the next rotation makes another.
            #expect(fleet.service.keys.authorities.key(.user, .next) == nil)
            let again = try await step(fleet, .user, .announce, later)
            #expect(again.userAuthorities.count == 2 && !again.userAuthorities.map(\.publicKey).contains(old))
        }
    }

    @Test("A rotation can be rolled back until the old key is retired")
    func rollBack() async throws {
        try await SSHFleet.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let old = try FleetSimulator.userAuthority.ssh
            let first = try #require(try await step(fleet, .user, .announce).userAuthorities.last?.publicKey)
            let dropped = try await step(fleet, .user, .rollBack)
            #expect(dropped.userAuthorities.map(\.publicKey) == [old])
            // A key that was taken back is not offered again.
            let next = try #require(try await step(fleet, .user, .announce).userAuthorities.last?.publicKey)
            #expect(next != first)
            try await report(node, trusting: [old, next], fleet)
            _ = try await step(fleet, .user, .sign)
            let made = try await fleet.certificate(on: node.id)
            #expect(made.content.authority == next)
            let back = try await step(fleet, .user, .rollBack)
            #expect(back.userAuthorities.map(\.phase) == [.signing, .announced])
            #expect(try await fleet.certificate(on: node.id).content.authority == old)
            #expect(try await refusal(fleet, .user, .retire)?.contains("'sign' or 'roll-back' comes next") == true)
        }
    }

    @Test("A stolen user CA is revoked as soon as another signs, and signs no more afterwards")
    func stolen() async throws {
        try await SSHFleet.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let old = try FleetSimulator.userAuthority.ssh
            let before = try await fleet.certificate(on: node.id)
            let next = try #require(try await step(fleet, .user, .announce).userAuthorities.last?.publicKey)
            for key in [old, next] {
                let problem = await SSHFleet.problem { try await fleet.revoke(.publicKey(key)) }
                #expect(problem?.status == 409 && problem?.detail.contains("muster ssh rotate user") == true)
            }
            try await report(node, trusting: [old, next], fleet)
            let signing = try await step(fleet, .user, .sign)
            try await fleet.revoke(.publicKey(old))
            let list = try await fleet.revocationList()
            #expect(list.finding(for: before) == .authority)
            let after = try await fleet.certificate(on: node.id)
            #expect(list.finding(for: after) == nil)
            let problem = await SSHFleet.problem { try await fleet.revoke(.publicKey(next)) }
            #expect(problem?.status == 409)
            // A step back would let nobody in, prepared here or not.
            #expect(try await refusal(fleet, .user, .rollBack)?.contains("is revoked") == true)
            let forced = await SSHFleet.problem {
                try await publish(fleet, try signing.signing(old, at: fleet.now))
            }
            #expect(forced?.status == 409 && forced?.detail.contains("is revoked") == true)
        }
    }

    @Test("A host CA signs once nobody needs the old one, and goes once every node shows a certificate of the new one")
    func host() async throws {
        try await SSHFleet.run { fleet in
            let nodes = try await fleet.nodes(["alpha", "beta"])
            var shown: [Int64] = []
            for node in nodes { shown.append(try await hostCertificate(fleet, node)) }
            let login = try await fleet.certificate(on: nodes[0].id, seconds: 600)
            _ = try await step(fleet, .host, .announce)
            let why = try await refusal(fleet, .host, .sign)
            #expect(why?.contains("certificate \(login.content.serial), from before the new host CA") == true)
            fleet.fixture.clock.advance(seconds: 601)
            let session = try await fleet.fixture.login()
            _ = try await step(fleet, .host, .sign, session)
            for (node, serial) in zip(nodes, shown) { try await report(node, showing: [serial], fleet) }
            #expect(
                try await refusal(fleet, .host, .retire, session)?.contains("alpha shows no host certificate") == true
            )
            for node in nodes { try await report(node, showing: [try await hostCertificate(fleet, node)], fleet) }
            let retired = try await step(fleet, .host, .retire, session)
            #expect(retired.hostAuthorities.count == 1)
            let lines = try await fleet.client.sshTrust().hostAuthorities
            #expect(lines == retired.hostAuthorities.map(\.publicKey.line))
        }
    }

    @Test("The service shows how far it is: who has proved, who is waited for, who is not in contact")
    func shown() async throws {
        try await SSHFleet.run { fleet in
            let nodes = try await fleet.nodes(["alpha", "beta", "gamma"])
            let next = try #require(try await step(fleet, .user, .announce).userAuthorities.last?.publicKey)
            fleet.fixture.clock.advance(seconds: 600)
            let session = try await fleet.fixture.login()
            try await report(nodes[0], trusting: [next], fleet)
            try await report(nodes[1], trusting: [], fleet)
            let record = try await fleet.client.rotation(session: session)
            let user = try #require(record.kinds.first { $0.kind == .user })
            #expect(user.next == .sign && user.proved == 1 && user.nodes == 3 && user.possible == [.rollBack])
            #expect(user.waiting.count == 1 && user.waiting[0].hasPrefix("beta "))
            #expect(user.unreachable.count == 1 && user.unreachable[0].hasPrefix("gamma: not in contact since"))
            let host = try #require(record.kinds.first { $0.kind == .host })
            #expect(host.next == nil && host.possible == [.announce])
        }
    }

    enum BadDocument: String, CaseIterable {
        case missing = "that is gone"
        case sameVersion = "with another content at the same version"
        case unannounced = "whose signing key was never announced"
        case foreign = "whose signing key this service does not hold"
        case shared = "where one key certifies users and hosts"
        case dropped = "without the key that signs"
    }

    @Test("No document gets through, whoever signed it,", arguments: BadDocument.allCases)
    func refusedDocument(_ bad: BadDocument) async throws {
        try await SSHFleet.run { fleet in
            let trust = try #require(fleet.fleet.sshTrust)
            let (user, host) = (trust.userAuthorities[0], trust.hostAuthorities[0])
            let foreign = SSHTrust.Authority(
                publicKey: try TestKey("foreign").ssh,
                phase: .signing,
                since: user.since,
                expires: user.expires
            )
            let problem = await SSHFleet.problem {
                switch bad {
                case .missing: try await publish(fleet, nil)
                case .sameVersion:
                    let longer = SSHTrust.Authority(
                        publicKey: user.publicKey,
                        phase: .signing,
                        since: user.since,
                        expires: user.expires.adding(seconds: 60)
                    )
                    try await publish(
                        fleet,
                        try SSHTrust(version: 1, userAuthorities: [longer], hostAuthorities: [host])
                    )
                case .unannounced:
                    let key = try SSHPublicKey(
                        ed25519: try await fleet.service.keys.authorities.prepareNext(.user).publicKey
                    )
                    try await publish(fleet, try trust.announcing(key, at: fleet.now).signing(key, at: fleet.now))
                case .foreign, .dropped:
                    try await publish(
                        fleet,
                        try SSHTrust(version: 2, userAuthorities: [foreign], hostAuthorities: [host])
                    )
                case .shared:
                    let bytes = try trust.bytes.replacing(host.publicKey.line, user.publicKey.line)
                    try await publish(fleet, bytes: bytes)
                }
            }
            #expect((400..<504).contains(problem?.status ?? 0), "\(String(describing: problem))")
            #expect(try await fleet.client.sshTrust().trust == trust)
            let node = try await fleet.nodes(["alpha"])[0]
            _ = try await fleet.certificate(on: node.id)
        }
    }

    @Test("A rotation that is under way goes on after a restart, with both keys")
    func restart() async throws {
        let directory = "/tmp/muster-ssh-test-" + Hex.encode(RandomBytes.make(8))
        defer { removeTree(directory) }
        var simulator: FleetSimulator?
        try await SSHFleet.run(in: directory) { fleet in
            let next = try #require(try await step(fleet, .user, .announce).userAuthorities.last?.publicKey)
            let node = try await fleet.nodes(["alpha"])[0]
            try await report(node, trusting: [next], fleet)
            _ = try await step(fleet, .user, .sign)
            simulator = fleet.fleet
        }
        try await SSHFleet.run(in: directory, as: simulator) { fleet in
            let trust = try await fleet.client.sshTrust().trust
            let node = try #require(fleet.service.nodes.all.first).node.id
            #expect(try await fleet.certificate(on: node).content.authority == trust.signing(.user)?.publicKey)
            let back = try await step(fleet, .user, .rollBack)
            #expect(back.signing(.user)?.publicKey == (try FleetSimulator.userAuthority.ssh))
        }
    }

    // MARK: - What operators and nodes do

    /// Asks for a step, signs the document as policy key holders do, publishes it; the document that is trusted then.
    private func step(
        _ fleet: SSHFleet,
        _ kind: SSHAuthorityKind,
        _ action: SSHRotationRequest.Action,
        _ session: String? = nil
    ) async throws -> SSHTrust {
        let session = session ?? fleet.session
        let record = try await fleet.client.rotate(SSHRotationRequest(kind: kind, action: action), session: session)
        guard let proposal = record.proposal else { throw FleetSimulator.Failure.impossible }
        try await publish(fleet, proposal, session)
        return try await fleet.client.sshTrust().trust
    }

    private func refusal(
        _ fleet: SSHFleet,
        _ kind: SSHAuthorityKind,
        _ action: SSHRotationRequest.Action,
        _ session: String? = nil
    ) async throws -> String? {
        let problem = await SSHFleet.problem {
            let request = SSHRotationRequest(kind: kind, action: action)
            _ = try await fleet.client.rotate(request, session: session ?? fleet.session)
        }
        #expect(problem?.status == 409)
        return problem?.detail
    }

    private func publish(_ fleet: SSHFleet, _ trust: SSHTrust?, _ session: String? = nil) async throws {
        try await publish(fleet, bytes: trust?.bytes, session)
    }

    private func publish(_ fleet: SSHFleet, bytes: [UInt8]?, _ session: String? = nil) async throws {
        let session = session ?? fleet.session
        if let bytes {
            try await fleet.client.upload(
                bytes: bytes,
                sha256: Digest.sha256(bytes),
                target: SSHTrust.targetPath,
                session: session
            )
        }
        var next = fleet.fleet
        let metadata = try next.policyMetadata(sshTrust: bytes)
        let document = next.policyDocument.canonicalBytes
        try await fleet.client.upload(
            bytes: document,
            sha256: Digest.sha256(document),
            target: "policy/fleet.json",
            session: session
        )
        try await fleet.client.publish(role: "policy", metadata: metadata, session: session)
        fleet.fixture.use(next)
    }

    private func report(
        _ node: TestNode,
        trusting keys: [SSHPublicKey] = [],
        showing serials: [Int64] = [],
        _ fleet: SSHFleet,
        problem: String = ""
    ) async throws {
        let shown = serials.map {
            SSHReport.HostCertificate(fingerprint: "SHA256:x", serial: $0, validBefore: fleet.now)
        }
        let ssh = SSHReport(userAuthorities: keys.map(\.fingerprint), hostCertificates: shown, problem: problem)
        try await node.report(ssh: ssh, to: fleet.fixture)
    }

    private func hostCertificate(_ fleet: SSHFleet, _ node: TestNode) async throws -> Int64 {
        let request = HostCertificateRequest(publicKeys: [try TestKey("host-\(node.id)").ssh.line])
        let reply = try await fleet.client.hostCertificates(request, session: node.session)
        return Int64(try SSHCertificate(line: reply.certificates[0]).content.serial)
    }
}

extension FleetSimulator {
    /// The next version of the policy metadata, naming these bytes as `ssh/trust.json`, or none.
    mutating func policyMetadata(sshTrust bytes: [UInt8]?) throws -> [UInt8] {
        sshTrust = nil
        sshTrustBytes = bytes
        try publishPolicy()
        guard let metadata = files["metadata/\(policyVersion).policy.json"] else { throw Failure.impossible }
        return metadata
    }
}

extension SSHTrust {
    fileprivate func announcing(_ key: SSHPublicKey, at time: UTCTime) throws -> SSHTrust {
        let authority = Authority(
            publicKey: key,
            phase: .announced,
            since: time,
            expires: time.adding(seconds: 86400)
        )
        return try SSHTrust(
            version: version,
            userAuthorities: userAuthorities + [authority],
            hostAuthorities: hostAuthorities
        )
    }

    /// The next version, in which `key` signs users' certificates.
    fileprivate func signing(_ key: SSHPublicKey, at time: UTCTime) throws -> SSHTrust {
        try SSHTrust(
            version: version + 1,
            userAuthorities: userAuthorities.map { authority in
                Authority(
                    publicKey: authority.publicKey,
                    phase: authority.publicKey == key ? .signing : .retiring,
                    since: authority.since,
                    expires: authority.expires
                )
            },
            hostAuthorities: hostAuthorities
        )
    }
}

extension [UInt8] {
    fileprivate func replacing(_ old: String, _ new: String) throws -> [UInt8] {
        Array(String(decoding: self, as: UTF8.self).replacing(old, with: new).utf8)
    }
}
