import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterCommands
import MusterModel
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import SignatureVerification
import Testing

/// Letting nodes in.
@Suite
struct EnrollmentCommandTests {
    @Test("a token is one line whose secret only the statement's hash knows")
    func token() async throws {
        try await Workshop.fleet { workshop, ada in
            let outcome = await ada.muster("enroll", "token", "--tag", "web", "--uses", "3", "--expires", "2h")
            #expect(outcome.status == 0, "\(outcome.all)")
            let token = try #require(EnrollmentToken(line: outcome.output))
            let sent = try #require(workshop.service.with { $0.statements.last })
            #expect(token.fleet == sent.statement.fleet)
            guard case .enroll(let body) = sent.statement.body else { return #expect(Bool(false)) }
            #expect(body.proof == .secret(sha256: Digest.sha256(token.secret), uses: 3))
            #expect(body.tags.map(\.text) == ["web"])
            #expect(sent.statement.expires == FakeService.time.adding(seconds: 7200))
            #expect(!outcome.errors.contains(outcome.output))
        }
    }

    @Test("an approval signs the key of the node that shows the code")
    func approve() async throws {
        try await Workshop.fleet { workshop, ada in
            let key = TestKey("node").publicKey
            workshop.service.with {
                $0.enrollments = [
                    PendingEnrollment(
                        code: "K7QD-42MX",
                        name: "new\u{1B}[2Jnode",
                        nodeKey: key,
                        address: "100.64.0.9",
                        asked: FakeService.time.adding(seconds: -60)
                    )
                ]
            }
            let list = await ada.muster("enroll", "list")
            #expect(list.output.contains("K7QD-42MX  new?[2Jnode  100.64.0.9  60 s ago"), "\(list.output)")
            #expect(await ada.muster("node", "approve", "WRONG").status == 1)
            #expect(await ada.muster("node", "approve", "k7qd-42mx", "--tag", "web").status == 0)
            let sent = try #require(workshop.service.with { $0.statements.last })
            guard case .enroll(let body) = sent.statement.body else { return #expect(Bool(false)) }
            #expect(body.proof == .nodeKey(key))
        }
    }

    @Test("the session is kept in a file of mode 0600 and used again until the service no longer knows it")
    func session() async throws {
        try await Workshop.fleet { workshop, ada in
            #expect(await ada.muster("node", "list").status == 0)
            #expect(await ada.muster("node", "list").status == 0)
            let logins = workshop.service.with { $0.requests.filter { $0 == "POST /v1/operator/session" }.count }
            #expect(logins == 1)
            let path = ada.folder.path + "/session"
            let text = String(decoding: try BoundedFile.read(path, limit: 10_000), as: UTF8.self)
            try AtomicFile.write(Array(text.replacing("session of", with: "nonsense of").utf8), to: path)
            #expect(await ada.muster("node", "list").status == 0)
        }
    }

    @Test("a person who is not in the policy gets no session")
    func stranger() async throws {
        try await Workshop.fleet { workshop, _ in
            let eve = try await workshop.person("eve")
            let fleet = workshop.service.with { $0.fleet?.text ?? "" }
            await eve.muster("fleet", "join", "--service", workshop.address, "--fleet", fleet)
            let outcome = await eve.muster("node", "list")
            #expect(outcome.status == 1)
            #expect(outcome.errors == "muster: the service refuses: Unknown key: not in the policy\n")
        }
    }
}
