import ByteCoding
import MusterAPI
import MusterClient
import MusterModel
import MusterStore
import MusterTestSupport
import OpenSSHFormats
import Testing

@testable import MusterServer

@Suite("Host certificates are for the node's own names")
struct HostCertificateTests {
    private func certificates(
        _ fleet: SSHFleet,
        _ node: TestNode,
        keys: [String] = ["host"]
    ) async throws
        -> [SSHCertificate]
    {
        let lines = try keys.map { try TestKey($0).ssh.line }
        let reply = try await fleet.client.hostCertificates(
            HostCertificateRequest(publicKeys: lines),
            session: node.session
        )
        return try reply.certificates.map { try SSHCertificate(line: $0) }
    }

    @Test("A node gets one certificate for each key, by the host CA, for its name and address")
    func issued() async throws {
        try await SSHFleet.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let made = try await certificates(fleet, node, keys: ["host-1", "host-2"])
            #expect(made.count == 2)
            for (certificate, key) in zip(made, ["host-1", "host-2"]) {
                #expect(certificate.isGenuine && certificate.content.kind == .host)
                #expect(certificate.content.authority == (try FleetSimulator.hostAuthority.ssh))
                #expect(certificate.content.publicKey == (try TestKey(key).ssh))
                #expect(certificate.content.principals == ["alpha", "127.0.0.1"])
                #expect(Int64(certificate.content.validBefore) <= fleet.now.seconds + 30 * 86400)
            }
            #expect(made.map(\.content.serial) == [1, 2])
            // Asked again, they are the same ones, until two thirds of their life are over.
            #expect(try await certificates(fleet, node, keys: ["host-1", "host-2"]) == made)
            #expect(try await fleet.events("ssh-host-certificate-issued").count == 2)
        }
    }

    @Test("They are renewed at two thirds of their life, and after they were revoked")
    func renewed() async throws {
        try await SSHFleet.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let first = try await certificates(fleet, node)[0]
            try await fleet.revoke(.serials([first.content.serial]))
            let second = try await certificates(fleet, node)[0]
            #expect(second.content.serial > first.content.serial)
            fleet.fixture.clock.advance(seconds: 21 * 86400)
            let later = try await TestNode(fleet.fixture, node.id, TestKey("node-alpha"))
            let third = try await certificates(fleet, later)[0]
            #expect(third.content.serial > second.content.serial)
        }
    }

    @Test("A node that joined by the name of an address, or of another node's address, is not certified as that")
    func impersonation() async throws {
        try await SSHFleet.run { fleet in
            let nodes = try await fleet.nodes(["10.0.0.5", "0x7f000001", "honest"])
            for node in nodes.prefix(2) {
                let problem = await SSHFleet.problem { _ = try await certificates(fleet, node) }
                // All three are at one address, so it is nobody's own; the name reads as an address.
                #expect(problem?.status == 403, "\(String(describing: problem))")
            }
            #expect(try await certificates(fleet, nodes[2])[0].content.principals == ["honest"])
        }
    }

    @Test("attack: a node that an older service let in as 'db.' or 'DB' is not certified as db")
    func lastDot() async throws {
        try await SSHFleet.run { fleet in
            let nodes = try await fleet.nodes(["db", "mallory"])
            for name in ["db.", "DB", "Db."] {
                let mallory = try #require(fleet.service.nodes[nodes[1].id]?.node)
                fleet.service.nodes.put(
                    StoredNode(
                        id: mallory.id,
                        name: name,
                        keyLife: mallory.keyLife,
                        address: mallory.address,
                        tags: mallory.tags,
                        statement: mallory.statement,
                        enrolled: mallory.enrolled,
                        tailnet: mallory.tailnet
                    )
                )
                let problem = await SSHFleet.problem { _ = try await certificates(fleet, nodes[1]) }
                #expect(problem?.status == 403, "\(name): \(String(describing: problem))")
            }
        }
    }

    @Test("What is no key, or more than sixteen, is refused")
    func malformed() async throws {
        try await SSHFleet.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            for lines in [["ssh-ed25519 AAAA"], Array(repeating: try TestKey("host").ssh.line, count: 17)] {
                let problem = await SSHFleet.problem {
                    _ = try await fleet.client.hostCertificates(
                        HostCertificateRequest(publicKeys: lines),
                        session: node.session
                    )
                }
                #expect(problem?.status == 400)
            }
            let stranger = await SSHFleet.problem {
                _ = try await fleet.client.hostCertificates(
                    HostCertificateRequest(publicKeys: [try TestKey("host").ssh.line]),
                    session: fleet.session
                )
            }
            #expect(stranger?.status == 401)
        }
    }
}
