import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterTestSupport
import OpenSSHFormats
import SignatureVerification
import Testing

/// `muster ssh approve` and `muster ssh deny`.
@Suite
struct SSHApprovalTests {
    private func fleet(
        _ waiting: (Workshop) throws -> [SSHWaitingRecord],
        _ body: (Workshop, Person) async throws -> Void
    ) async throws {
        try await Workshop.approvalFleet { workshop, ada in
            let (node, records) = (try Workshop.node("web1"), try waiting(workshop))
            let id = try #require(StatementID("1" + String(repeating: "0", count: 31)))
            let reply = SSHCertificateReply(
                state: .issued,
                id: id,
                serial: 18,
                certificate: "ssh-ed25519-cert-v01@openssh.com AAAA",
                validBefore: Workshop.moment(60),
                detail: ""
            )
            workshop.service.with {
                $0.nodes = [node]
                $0.ssh.waiting = records
                $0.ssh.reply = reply
            }
            try await body(workshop, ada)
        }
    }

    private func isUntouched(_ workshop: Workshop) -> Bool {
        workshop.service.with { $0.approvals.isEmpty && $0.ssh.denials.isEmpty }
    }

    @Test("an approver reads the statement itself, and signs those very bytes")
    func approve() async throws {
        try await fleet {
            [try $0.waiting(command: "systemctl restart web\u{A0}")]
        } _: { workshop, ada in
            let outcome = await ada.muster("ssh", "approve", "1000", "--yes")
            #expect(outcome.status == 0 && outcome.errors.isEmpty)
            #expect(
                try outcome.output == """
                    ben asks to log in as deploy on web1 (node:node-web1)
                      with the key \(TestKey("ephemeral").ssh.fingerprint)
                      for 60 min, by the service's word from desk
                      only to run: systemctl restart web\\u{a0}
                      reason: the disk is full
                      good until 2030-03-18T03:46:40Z, signed by ben
                      policy: rule 'ben logs in with ada' needs 1 approvals and has 0: ask ada
                    request 10000000: issued as certificate 18 until 2030-03-17T18:46:40Z

                    """
            )
            let (blob, bytes) = try workshop.service.with { state in
                (try #require(state.approvals.first), try #require(state.ssh.waiting.first).statement.signedBytes)
            }
            let signature = try SSHSignature(blob: blob)
            #expect(signature.verify(message: bytes, namespace: "ssh-certificate@muster") == .valid)
        }
    }

    @Test("--json gives the answer and the key's fingerprint; further approvals that are needed are said")
    func json() async throws {
        try await fleet {
            [try $0.waiting()]
        } _: { workshop, ada in
            let issued = await ada.muster("ssh", "approve", "1", "--yes", "--json")
            let expected: JSONValue = [
                "state": "issued", "id": .string("1" + String(repeating: "0", count: 31)), "serial": 18,
                "certificate": "ssh-ed25519-cert-v01@openssh.com AAAA", "valid_before": 1_900_003_600_000,
                "host_authorities": [], "detail": "", "fingerprint": .string(try TestKey("ephemeral").ssh.fingerprint),
            ]
            let shown = try issued.json
            #expect(shown == expected)
            #expect(issued.errors.isEmpty)
            workshop.service.with { state in
                state.ssh.reply = state.ssh.reply.map {
                    SSHCertificateReply(state: .waiting, id: $0.id, detail: "1 of cat")
                }
            }
            let waits = await ada.muster("ssh", "approve", "1", "--yes")
            #expect(waits.output.hasSuffix("request 10000000: signed, still waiting: 1 of cat\n"))
        }
    }

    @Test("nothing is signed without a terminal and --yes, nor where the request is unknown or meant by two")
    func choice() async throws {
        try await fleet {
            [try $0.waiting(1), try $0.waiting(2), try $0.waiting(1)]
        } _: { workshop, ada in
            let silent = await ada.muster("ssh", "approve", "2")
            #expect(silent.status == 2 && silent.errors.contains("--yes"), "\(silent.all)")
            let asked = await ada.muster("ssh", "approve", "2", "--json")
            #expect(asked.status == 2 && asked.output.isEmpty)
            #expect(asked.errors.contains("  with the key SHA256:"), "who is asked reads what is signed: \(asked.all)")
            for words in [["approve", "3", "--yes"], ["approve", "", "--yes"], ["deny", "3", "--reason", "no"]] {
                let unknown = await ada.muster(["ssh"] + words)
                #expect(unknown.status == 1)
                #expect(
                    unknown.errors == "muster: no request '\(words[1])' waits: see 'muster ssh list --waiting'\n"
                )
            }
            let two = await ada.muster("ssh", "approve", "1000", "--yes")
            #expect(two.status == 1)
            #expect(two.errors == "muster: '1000' is the beginning of 2 requests: give more of it\n")
            #expect(await ada.muster("ssh", "approve", "--yes").status == 2)
            #expect(isUntouched(workshop))
        }
    }

    @Test("attack: a stolen service gets no signature on what nobody asked for, however it is asked")
    func hostile() async throws {
        try await fleet { _ in
            []
        } _: { workshop, ada in
            let other = try #require(FleetID(digest: Digest.sha256([1])))
            let everywhere: [NodeSelector] = [.every]
            let wrong: [(SSHWaitingRecord, String)] = [
                // Ada's signature on this would be the whole request: a shell as root for whoever holds its key.
                (
                    try workshop.waiting(requester: "ada", user: "root", nodes: everywhere),
                    "ada has not validly signed it"
                ),
                (try workshop.waiting(requester: "eve", nodes: everywhere), "eve has not validly signed it"),
                (
                    exchanged(try workshop.waiting(), for: try workshop.waiting(nodes: everywhere)),
                    "ben has not validly signed it"
                ),
                (try workshop.waiting(user: "root"), "the policy refuses it: not allowed"),
                (try workshop.waiting(expires: 49 * 60), "the statement lives longer than 2 d"),
                (try workshop.waiting(issued: 60), "which is still to come"),
                (try workshop.waiting(fleet: other), "is not that of request 1000"),
                (try workshop.waiting(expires: -1), "the statement expired at 2030-03-17T17:45:40Z"),
                (try withMember(try workshop.waiting()), "the statement says more than this program understands"),
            ]
            for (record, why) in wrong {
                workshop.service.with { $0.ssh.waiting = [record] }
                for options in [["--yes"], ["--yes", "--json"]] {
                    let outcome = await ada.muster(["ssh", "approve", "1"] + options)
                    #expect(outcome.status == 1 && outcome.output.isEmpty, "\(outcome.all)")
                    #expect(outcome.errors.contains(why), "\(outcome.all)")
                }
            }
            #expect(isUntouched(workshop))
        }
    }

    /// One request's statement under the signatures of another.
    private func exchanged(_ record: SSHWaitingRecord, for other: SSHWaitingRecord) -> SSHWaitingRecord {
        var statement = other.statement
        statement.signatures = record.statement.signatures
        return offered(statement, like: record)
    }

    private func withMember(_ record: SSHWaitingRecord) throws -> SSHWaitingRecord {
        guard case .object(var object) = record.statement.signed else { throw Workshop.Failure.command("no object") }
        object["also"] = "a root shell"
        return offered(
            try SignedStatement(JSONFields(["signed": .object(object), "signatures": []])),
            like: record
        )
    }

    private func offered(_ statement: SignedStatement, like record: SSHWaitingRecord) -> SSHWaitingRecord {
        SSHWaitingRecord(
            statement: statement,
            signers: record.signers,
            missing: "",
            asked: record.asked,
            origin: "desk"
        )
    }

    @Test("who denies gives a reason of one line, which the service gets as it is")
    func deny() async throws {
        try await fleet {
            [try $0.waiting()]
        } _: { workshop, ada in
            #expect(await ada.muster("ssh", "deny", "1").status == 2)
            #expect(await ada.muster("ssh", "deny", "1", "--reason", "two\nlines").status == 2)
            #expect(isUntouched(workshop))
            workshop.service.with { state in
                state.ssh.reply = state.ssh.reply.map {
                    SSHCertificateReply(state: .denied, id: $0.id, detail: "denied by ada: not tonight")
                }
            }
            let outcome = await ada.muster("ssh", "deny", "1", "--reason", "not tonight")
            #expect(outcome.status == 0 && outcome.errors.isEmpty)
            #expect(outcome.output == "request 10000000: denied: denied by ada: not tonight\n")
            #expect(workshop.service.with { $0.ssh.denials } == ["not tonight"])
            let json = try await ada.muster("ssh", "deny", "1", "--reason", "not tonight", "--json").json
            #expect(json["state"] == "denied")
        }
    }
}
