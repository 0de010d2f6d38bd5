import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel
import MusterTestSupport
import MusterTrust
import OpenSSHFormats
import Testing

@testable import MusterServer

@Suite("Requests for certificates wait for approvals")
struct CertificateApprovalTests {
    private func waiting(_ fleet: SSHFleet) async throws -> (NodeID, SignedStatement) {
        let node = try await fleet.nodes(["alpha"])[0]
        let statement = try fleet.statement([.node(node.id)], by: ["ben"])
        let reply = try await fleet.client.requestCertificate(statement)
        #expect(reply.state == .waiting && reply.certificate == nil)
        #expect(reply.detail.contains("ada") && reply.detail.contains("cat"))
        return (node.id, statement)
    }

    private func signature(_ statement: SignedStatement, by name: String) throws -> [UInt8] {
        try FleetSimulator.operatorKey(name).sshSignature(
            of: statement.signedBytes,
            namespace: statement.statement.type.namespace
        )
    }

    @Test("The last approval issues the certificate, which carries every signature, and wakes who waits")
    func approved() async throws {
        try await SSHFleet.run(rules: [SSHFleet.withApproval]) { fleet in
            let (node, statement) = try await waiting(fleet)
            let id = statement.statement.id
            let records = try await fleet.client.waitingCertificates(session: fleet.session)
            #expect(records.map(\.statement.statement.id) == [id])
            #expect(records[0].signers.map(\.text) == ["ben"])
            async let answer = fleet.client.certificate(id, wait: 20)
            try await Task.sleep(for: .milliseconds(300))
            let reply = try await fleet.client.approveCertificate(
                id,
                signature: try signature(statement, by: "cat"),
                session: fleet.session
            )
            #expect(reply.state == .issued)
            let received = try await answer
            let certificate = try SSHCertificate(line: try #require(received.certificate))
            #expect(certificate.line == reply.certificate)
            let verdict = try fleet.verdict(certificate, on: node)
            #expect(verdict.isAllowed, "\(verdict)")
            #expect(try await fleet.client.waitingCertificates(session: fleet.session).isEmpty)
            // Asked again, it is the same one.
            #expect(try await fleet.client.requestCertificate(statement).certificate == reply.certificate)
        }
    }

    @Test("An approval by the requester, by a stranger, of something else, or twice counts for nothing")
    func refusedApprovals() async throws {
        var two = SSHFleet.withApproval
        if case .object(var rule) = two {
            rule["approvals"] = ["count": 2, "from": ["group:leads"]]
            two = .object(rule)
        }
        try await SSHFleet.run(rules: [two]) { fleet in
            let (_, statement) = try await waiting(fleet)
            let id = statement.statement.id
            func approve(_ signature: [UInt8]) async -> Problem? {
                await SSHFleet.problem {
                    _ = try await fleet.client.approveCertificate(id, signature: signature, session: fleet.session)
                }
            }
            #expect(await approve(try signature(statement, by: "ben"))?.status == 403)
            #expect(await approve(try signature(statement, by: "eve"))?.status == 422)
            let other = try fleet.statement([.every], by: ["ben"])
            #expect(await approve(try signature(other, by: "cat"))?.status == 422)
            #expect(await approve([1, 2, 3])?.status == 400)
            let first = try await fleet.client.approveCertificate(
                id,
                signature: try signature(statement, by: "cat"),
                session: fleet.session
            )
            #expect(first.state == .waiting && first.detail.contains("ada"))
            #expect(await approve(try signature(statement, by: "cat"))?.status == 409)
            let last = try await fleet.client.approveCertificate(
                id,
                signature: try signature(statement, by: "ada"),
                session: fleet.session
            )
            #expect(last.state == .issued)
        }
    }

    @Test("A denied request is over, and says by whom and why")
    func denied() async throws {
        try await SSHFleet.run(rules: [SSHFleet.withApproval]) { fleet in
            let (_, statement) = try await waiting(fleet)
            let id = statement.statement.id
            _ = try await fleet.client.denyCertificate(id, reason: "not today", session: fleet.session)
            let reply = try await fleet.client.certificate(id, wait: 0)
            #expect(reply.state == .denied && reply.detail == "denied by ada: not today")
            let late = await SSHFleet.problem {
                _ = try await fleet.client.approveCertificate(
                    id,
                    signature: try signature(statement, by: "cat"),
                    session: fleet.session
                )
            }
            #expect(late?.status == 409)
        }
    }

    @Test("A request ends with its statement, and too many from one place are refused")
    func expired() async throws {
        try await SSHFleet.run(rules: [SSHFleet.withApproval]) { fleet in
            let (node, statement) = try await waiting(fleet)
            for _ in 1..<CertificateIssuing.waitingLimit {
                _ = try await fleet.client.requestCertificate(try fleet.statement([.node(node)], by: ["ben"]))
            }
            let problem = await SSHFleet.problem {
                _ = try await fleet.client.requestCertificate(try fleet.statement([.node(node)], by: ["ben"]))
            }
            #expect(problem?.status == 429)
            fleet.fixture.clock.advance(seconds: 86401)
            #expect(try await fleet.client.certificate(statement.statement.id, wait: 0).state == .expired)
            let session = try await fleet.fixture.login()
            #expect(try await fleet.client.waitingCertificates(session: session).isEmpty)
        }
    }
}
