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
            let code = EnrollmentCode.text(of: key)
            let list = await ada.muster("enroll", "list")
            #expect(list.output.contains("\(code)  new?[2Jnode  100.64.0.9  60 s ago"), "\(list.output)")
            #expect(await ada.muster("node", "approve", "WRONG").status == 1)
            #expect(await ada.muster("node", "approve", "K7QD-42MX").status == 1, "the service's own idea of a code")
            #expect(workshop.service.with { $0.statements.isEmpty })
            let typed = code.lowercased().filter { $0 != "-" }
            #expect(await ada.muster("node", "approve", typed, "--tag", "web").status == 0)
            let sent = try #require(workshop.service.with { $0.statements.last })
            guard case .enroll(let body) = sent.statement.body else { return #expect(Bool(false)) }
            #expect(body.proof == .nodeKey(key))
        }
    }

    private static let code = EnrollmentCode.text(of: TestKey("node").publicKey)

    /// A node that waits, with the tags that the tailnet is said to give it.
    private func waiting(_ tags: [String]?) -> PendingEnrollment {
        PendingEnrollment(
            code: "K7QD-42MX",
            name: "web1",
            nodeKey: TestKey("node").publicKey,
            address: "100.64.0.9",
            asked: FakeService.time,
            tailnet: tags.map { TailnetRecord(id: "nWeb", name: "web1.tail1234.ts.net", tags: $0) }
        )
    }

    @Test("the tailnet's tags are signed only when they are asked for, shown and agreed to")
    func tailnetTags() async throws {
        try await Workshop.fleet { workshop, ada in
            workshop.service.with { $0.enrollments = [waiting(["tag:web", "tag:canary"])] }
            let list = await ada.muster("enroll", "list")
            #expect(list.output.contains("web1.tail1234.ts.net  tag:web,tag:canary"), "\(list.output)")
            #expect(await ada.muster("node", "approve", Self.code, "--tag", "db").status == 0)
            let asked = await ada.muster("node", "approve", Self.code, "--tailnet-tags")
            #expect(asked.status == 2 && asked.errors.contains("--yes"), "nobody can be asked: \(asked.all)")
            #expect(workshop.service.with { $0.statements.count } == 1)
            let outcome = await ada.muster("node", "approve", Self.code, "--tailnet-tags", "--tag", "db", "--yes")
            #expect(outcome.status == 0, "\(outcome.all)")
            #expect(
                outcome.errors.contains("web1 at 100.64.0.9, on the tailnet web1.tail1234.ts.net: tags canary, db, web")
            )
            let signed = workshop.service.with { state in
                state.statements.map { statement -> [String] in
                    guard case .enroll(let body) = statement.statement.body else { return [] }
                    return body.tags.map(\.text).sorted()
                }
            }
            #expect(signed == [["db"], ["canary", "db", "web"]])
        }
    }

    @Test(
        "tags that the tailnet does not give, or that are none, are not signed",
        arguments: [nil, [], ["tag:Not A Tag"]]
    )
    func noTailnetTags(tags: [String]?) async throws {
        try await Workshop.fleet { workshop, ada in
            workshop.service.with { $0.enrollments = [waiting(tags)] }
            let outcome = await ada.muster("node", "approve", Self.code, "--tailnet-tags", "--yes")
            #expect(outcome.status == 1 && outcome.errors.contains("--tag"), "\(outcome.all)")
            #expect(workshop.service.with { $0.statements.isEmpty })
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
