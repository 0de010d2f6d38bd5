import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterKeys
import MusterModel
import MusterStore
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import TUF
import TUFTrust
import Testing

@testable import MusterServer

@Suite("Certificates and keys are revoked, and every node is accounted for")
struct RevocationTests {
    @Test("A new fleet publishes an empty list, version 1, signed by the revocations role")
    func empty() async throws {
        try await SSHFleet.run { fleet in
            let list = try await fleet.revocationList()
            #expect(list.version == 1 && list.sections.isEmpty)
            try await check(list, revoked: [], good: [])
        }
    }

    @Test("A serial is revoked at once, in OpenSSH's own eyes too; others stay good")
    func serial() async throws {
        try await SSHFleet.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let bad = try await fleet.certificate(on: node.id)
            let good = try await fleet.certificate(on: node.id)
            let before = fleet.now
            let reply = try await fleet.revoke(.serials([bad.content.serial]))
            let list = try await fleet.revocationList()
            #expect(reply.detail.contains("1 certificate revoked by version \(list.version)"))
            #expect(list.version >= UInt64(before.seconds))
            #expect(list.finding(for: bad) == .serial && list.finding(for: good) == nil)
            try await check(list, revoked: [bad], good: [good])
            let issued = try await fleet.client.issuedCertificates(session: fleet.session)
            #expect(issued.map { $0.revoked != nil } == [true, false])
            let event = try await fleet.events("ssh-revoked")
            #expect(event.map(\.actor) == ["ada"])
        }
    }

    @Test("By key ID, operator, node and key, exactly what is meant is revoked")
    func subjects() async throws {
        let rule: JSONValue = [
            "name": "ben", "allow": ["ssh-certificate"], "who": ["ben"], "nodes": ["*"], "users": ["deploy"],
        ]
        try await SSHFleet.run(rules: [rule]) { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            func made(by name: String, key: String = "ephemeral") async throws -> SSHCertificate {
                let statement = try fleet.statement([.node(node.id)], by: [name], key: key)
                let reply = try await fleet.client.requestCertificate(statement)
                return try SSHCertificate(line: try #require(reply.certificate))
            }
            let (first, second) = (try await made(by: "ada"), try await made(by: "ada"))
            let (ben, other) = (try await made(by: "ben"), try await made(by: "ada", key: "other"))
            func found() async throws -> [Bool] {
                let list = try await fleet.revocationList()
                return [first, second, ben, other].map { list.finding(for: $0) != nil }
            }
            try await fleet.revoke(.keyID(first.content.keyID))
            #expect(try await found() == [true, false, false, false])
            try await fleet.revoke(.person(try #require(OperatorName("ben"))))
            #expect(try await found() == [true, false, true, false])
            try await fleet.revoke(.publicKey(try TestKey("other").ssh))
            #expect(try await found() == [true, false, true, true])
            let host = try await fleet.client.hostCertificates(
                HostCertificateRequest(publicKeys: [try TestKey("host").ssh.line]),
                session: node.session
            ).certificates[0]
            try await fleet.revoke(.node(node.id))
            #expect(try await found() == [true, true, true, true])
            let list = try await fleet.revocationList()
            #expect(list.finding(for: try SSHCertificate(line: host)) == .serial)
            try await check(list, revoked: [first, second, ben, other], good: [])
            // What is asked for afterwards is good.
            let new = try await made(by: "ada")
            #expect(list.finding(for: new) == nil)
            let record = try await fleet.client.revocations(session: fleet.session)
            let versions = record.entries.map(\.version)
            #expect(record.version == Int64(list.version) && versions.first == record.version)
            #expect(Set(versions).count == 4 && versions == versions.sorted(by: >))
            #expect(record.entries[0].subject == "node \(node.id)" && record.entries[0].reason == "laptop lost")
        }
    }

    @Test("A serial or key ID that was never issued, the mark of a stolen CA, is revoked for every CA")
    func neverIssued() async throws {
        try await SSHFleet.run { fleet in
            try await fleet.revoke(.serials([4711]))
            try await fleet.revoke(.keyID("backdoor"))
            let list = try await fleet.revocationList()
            for key in [FleetSimulator.userAuthority, FleetSimulator.hostAuthority] {
                #expect(list.serials(of: try key.ssh).contains(4711))
                let forged = try forged(by: key, serial: 9, keyID: "backdoor")
                #expect(list.finding(for: forged) == .keyID)
                try await check(list, revoked: [forged], good: [])
            }
        }
    }

    @Test("attack: a stolen CA's certificate with the key ID of an issued one, or one that looks so, is revoked")
    func sameKeyID() async throws {
        try await SSHFleet.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let issued = try await fleet.certificate(on: node.id)
            let twin = try forged(by: FleetSimulator.userAuthority, serial: 4711, keyID: issued.content.keyID)
            try await fleet.revoke(.keyID(issued.content.keyID))
            // Equal for Swift, and not for sshd.
            let names = ["ada/caf\u{E9}/1", "ada/cafe\u{301}/1"]
            for name in names { try await fleet.revoke(.keyID(name)) }
            let accents = try names.enumerated().map { index, name in
                try forged(by: FleetSimulator.userAuthority, serial: UInt64(5000 + index), keyID: name)
            }
            let list = try await fleet.revocationList()
            #expect(list.finding(for: issued) == .serial && list.finding(for: twin) == .keyID)
            #expect(accents.allSatisfy { list.finding(for: $0) == .keyID })
            try await check(list, revoked: [issued, twin] + accents, good: [])
        }
    }

    @Test("The key ID of a node's host certificates revokes those that there are, not the next ones")
    func hostKeyID() async throws {
        try await SSHFleet.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            func certificate() async throws -> SSHCertificate {
                let request = HostCertificateRequest(publicKeys: [try TestKey("host").ssh.line])
                let reply = try await fleet.client.hostCertificates(request, session: node.session)
                return try SSHCertificate(line: reply.certificates[0])
            }
            let first = try await certificate()
            try await fleet.revoke(.keyID(first.content.keyID))
            let second = try await certificate()
            let list = try await fleet.revocationList()
            #expect(list.finding(for: first) == .serial && list.finding(for: second) == nil)
            let forged = try forged(by: FleetSimulator.userAuthority, serial: 4711, keyID: first.content.keyID)
            #expect(list.finding(for: forged) == .keyID)
        }
    }

    @Test("Whom the policy does not let revoke, revokes nothing; a statement counts once")
    func refused() async throws {
        try await SSHFleet.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let certificate = try await fleet.certificate(on: node.id)
            let problem = await SSHFleet.problem {
                try await fleet.revoke(.serials([certificate.content.serial]), by: ["ben"])
            }
            #expect(problem?.status == 403)
            let body = RevokeBody(subject: .serials([certificate.content.serial]), reason: "lost")
            let statement = try fleet.fleet.statement(.revoke(body), seed: "once", issued: fleet.now)
            _ = try await fleet.client.send(statement, session: fleet.session)
            let again = await SSHFleet.problem { _ = try await fleet.client.send(statement, session: fleet.session) }
            #expect(again?.status == 409)
            #expect(try await fleet.client.revocations(session: fleet.session).entries.count == 1)
        }
    }

    @Test("A user CA that nodes trust is not revoked: no node would take a list that locks everybody out")
    func trustedAuthority() async throws {
        try await SSHFleet.run { fleet async throws in
            let problem = await SSHFleet.problem {
                try await fleet.revoke(.publicKey(try FleetSimulator.userAuthority.ssh))
            }
            #expect(problem?.status == 409 && problem?.detail.contains("muster ssh rotate user") == true)
            #expect(try await fleet.revocationList().sections.isEmpty)
        }
    }

    @Test("Nodes acknowledge the version that their sshd reads; the silent are counted, with since when")
    func acknowledged() async throws {
        try await SSHFleet.run { fleet in
            let nodes = try await fleet.nodes(["alpha", "beta", "gamma", "plain"])
            let certificate = try await fleet.certificate(on: nodes[0].id)
            for node in nodes.prefix(3) { try await node.report(ssh: SSHReport(krlVersion: 1), to: fleet.fixture) }
            try await nodes[3].report(ssh: nil, to: fleet.fixture)
            try await fleet.revoke(.serials([certificate.content.serial]))
            var record = try await fleet.client.revocations(session: fleet.session)
            #expect(record.summary == "revoked on 0 of 3 nodes, 3 on the way")
            let version = record.version
            try await nodes[0].report(ssh: SSHReport(krlVersion: version), to: fleet.fixture)
            let silent = fleet.now
            fleet.fixture.clock.advance(seconds: 3000)
            let session = try await fleet.fixture.login()
            try await nodes[1].report(ssh: SSHReport(krlVersion: version), to: fleet.fixture)
            record = try await fleet.client.revocations(session: session)
            #expect(record.count(.acknowledged) == 2 && record.count(.unreachable) == 1 && record.count(.none) == 1)
            #expect(record.summary.hasPrefix("revoked on 2 of 3 nodes, 1 unreachable since "))
            let gamma = try #require(record.nodes.first { $0.name == "gamma" })
            #expect(gamma.version == 1 && (gamma.lastSeen ?? fleet.now) <= silent)
        }
    }

    @Test("A node that waits for work hears of a new list at once, without a manifest")
    func woken() async throws {
        try await SSHFleet.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let certificate = try await fleet.certificate(on: node.id)
            let started = ContinuousClock.now
            async let manifest = node.manifest(wait: 55)
            try await fleet.wait("the node waits for work") { fleet.service.nodePolls.count > 0 }
            try await fleet.revoke(.serials([certificate.content.serial]))
            #expect(try await manifest == nil)
            #expect(ContinuousClock.now - started < .seconds(50), "the poll ended by itself")
        }
    }

    @Test("A client that read the metadata just before there was a newer list still gets the list that they name")
    func overtaken() async throws {
        try await SSHFleet.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let certificate = try await fleet.certificate(on: node.id)
            let before = try #require(fleet.service.repository.current?.trusted.loadedTargetFile("ssh/revoked.krl"))
            try await fleet.revoke(.serials([certificate.content.serial]))
            #expect(try await fleet.revocationList().finding(for: certificate) == .serial)
            let address = "/tuf/targets/ssh/\(try #require(before.hashes.fileNamePrefix)).revoked.krl"
            let reply = try await fleet.client.transport.exchange(
                HTTPRequest(fleet.fixture.url + address, limit: SSHRevocationList.byteLimit)
            )
            #expect(reply.status == 200 && before.hashes.match(reply.body))
        }
    }

    @Test("What hung on a node that was removed is revoked by itself")
    func removed() async throws {
        try await SSHFleet.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let login = try await fleet.certificate(on: node.id)
            let line = try await fleet.client.hostCertificates(
                HostCertificateRequest(publicKeys: [try TestKey("host").ssh.line]),
                session: node.session
            ).certificates[0]
            let body = RemoveNodeBody(node: node.id, reason: "sold")
            _ = try await fleet.client.send(
                try fleet.fleet.statement(.removeNode(body), seed: "remove", issued: fleet.now),
                session: fleet.session
            )
            try await fleet.wait("the list has both certificates") {
                let list = try await fleet.revocationList()
                return try list.finding(for: login) == .serial
                    && list.finding(for: SSHCertificate(line: line)) == .serial
            }
            let record = try await fleet.client.revocations(session: fleet.session)
            #expect(record.entries[0].actor == "musterd" && record.entries[0].reason == "the node was removed")
            #expect(record.entries[0].certificates == 2)
        }
    }

    @Test(
        "A node's rotation of a key, replacement or expiry revokes what was issued before, and nothing issued after",
        arguments: ["node-key-rotated", "node-tailnet-key-rotated", "node-replaced", "node-key-expired"]
    )
    func changed(_ event: String) async throws {
        try await SSHFleet.run { fleet in
            let nodes = try await fleet.nodes(["alpha", "beta"])
            func host(_ node: TestNode) async throws -> SSHCertificate {
                let request = HostCertificateRequest(publicKeys: [try TestKey("host-\(node.id)").ssh.line])
                let reply = try await fleet.client.hostCertificates(request, session: node.session)
                return try SSHCertificate(line: reply.certificates[0])
            }
            let (old, other) = (try await host(nodes[0]), try await host(nodes[1]))
            let time = fleet.now
            let detail: JSONValue = ["node": JSONValue(nodes[0].id)]
            _ = try await fleet.service.store.write {
                try $0.append(event: event, actor: "musterd", detail: detail, at: time)
            }
            try await fleet.wait("the old certificate is revoked") {
                try await fleet.revocationList().finding(for: old) == .serial
            }
            #expect(try await fleet.revocationList().finding(for: other) == nil)
            let new = try await host(nodes[0])
            #expect(new.content.serial > other.content.serial)
            // The event is looked at once, also after more of them.
            _ = try await fleet.certificate(on: nodes[0].id)
            try await Task.sleep(for: .milliseconds(500))
            #expect(try await fleet.revocationList().finding(for: new) == nil)
        }
    }

    @Test("A revocation that was written but not published before a crash is published at the next start")
    func crashBeforePublication() async throws {
        let directory = "/tmp/muster-ssh-test-" + Hex.encode(RandomBytes.make(8))
        defer { removeTree(directory) }
        var simulator: FleetSimulator?
        var certificate: SSHCertificate?
        try await SSHFleet.run(in: directory) { fleet in
            simulator = fleet.fleet
            let node = try await fleet.nodes(["alpha"])[0]
            let made = try await fleet.certificate(on: node.id)
            certificate = made
            let time = fleet.now
            _ = try await fleet.service.store.write { transaction in
                try transaction.revoke(
                    serials: [Int64(made.content.serial)],
                    others: [],
                    subject: "serial 1",
                    reason: "lost",
                    actor: "ada",
                    statement: nil,
                    at: time
                )
            }
        }
        try await SSHFleet.run(in: directory, as: simulator) { fleet in
            let list = try await fleet.revocationList()
            let made = try #require(certificate)
            #expect(list.version > 1 && list.finding(for: made) == .serial)
        }
    }

    @Test("A fleet made by a service that signed no revocations gets its first list at the next start")
    func olderFleet() async throws {
        let directory = "/tmp/muster-ssh-test-" + Hex.encode(RandomBytes.make(8))
        defer { removeTree(directory) }
        var simulator: FleetSimulator?
        try await SSHFleet.run(in: directory, enabled: false) { fleet in
            simulator = fleet.fleet
            // As an older service left it.
            try await fleet.service.store.write { transaction in
                try transaction.removeMetadata(role: "revocations", before: Int64.max)
                guard let (version, _) = try transaction.newestMetadata(role: "snapshot"),
                    let (freshness, _) = try transaction.newestMetadata(role: "timestamp")
                else { throw FleetSimulator.Failure.impossible }
                let older = try FleetSimulator.older(fleet.fleet, snapshot: version, timestamp: freshness)
                try transaction.removeMetadata(role: "snapshot", before: Int64.max)
                try transaction.removeMetadata(role: "timestamp", before: Int64.max)
                try transaction.addMetadata(role: "snapshot", version: version, bytes: older.0, at: fleet.now)
                try transaction.addMetadata(role: "timestamp", version: freshness, bytes: older.1, at: fleet.now)
            }
        }
        try await SSHFleet.run(in: directory, as: simulator) { fleet in
            let files = try #require(fleet.service.repository.current?.trusted.snapshot).meta.map(\.fileName)
            #expect(files.contains("revocations.json"))
            #expect(try await fleet.revocationList().version == 1)
        }
    }

    @Test("A hundred thousand revoked serials in sequence make a file below 64 kB")
    func large() throws {
        var revocations = SSHRevocations()
        let key = try TestKey("ca").ssh
        // One in ten is still good, at random.
        var random = SeededGenerator(seed: 7)
        let serials = (UInt64(1)...111_111).filter { _ in Int.random(in: 0..<10, using: &random) != 0 }.prefix(100_000)
        revocations.certificates[key] = SSHRevocations.Certificates(serials: SerialSet(serials: serials))
        let bytes = try revocations.list(version: 2, date: UTCTime(milliseconds: 0)).bytes
        #expect(bytes.count < 64 * 1024, "\(bytes.count) bytes")
    }

    // MARK: - OpenSSH's opinion

    private func forged(by key: TestKey, serial: UInt64, keyID: String) throws -> SSHCertificate {
        var draft = CertificateDraft(try TestKey("thief").ssh, principals: ["root"], time: WallClock.now())
        draft.serial = serial
        draft.keyID = keyID
        return try draft.signed(by: key)
    }

    /// `ssh-keygen -Q` reads the list and agrees.
    private func check(_ list: SSHRevocationList, revoked: [SSHCertificate], good: [SSHCertificate]) async throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("revoked.krl", list.bytes)
        let read = try await Command("/usr/bin/ssh-keygen", ["-Q", "-l", "-f", file]).run(timeout: .seconds(120))
        #expect(read.succeeded, "\(read.errorText)")
        for (index, certificate) in (revoked + good).enumerated() {
            let path = try folder.write("\(index)-cert.pub", (certificate.line + "\n").utf8)
            let asked = try await Command("/usr/bin/ssh-keygen", ["-Q", "-f", file, path]).run(timeout: .seconds(120))
            #expect(asked.succeeded == (index >= revoked.count), "\(asked.outputText)\(asked.errorText)")
        }
    }
}

extension FleetSimulator {
    /// Snapshot and timestamp as a service signed them that knew no revocations.
    static func older(_ fleet: FleetSimulator, snapshot: Int64, timestamp: Int64) throws -> ([UInt8], [UInt8]) {
        var fleet = fleet
        fleet.snapshotVersion = snapshot
        fleet.timestampVersion = timestamp
        try fleet.publish()
        guard let first = fleet.files["metadata/\(snapshot).snapshot.json"],
            let second = fleet.files["metadata/timestamp.json"]
        else { throw Failure.impossible }
        return (first, second)
    }
}
