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
        try await Workshop.sshFleet { workshop, ada in
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
            [try $0.waiting(command: "systemctl restart web")]
        } _: { workshop, ada in
            let outcome = await ada.muster("ssh", "approve", "1000", "--yes")
            #expect(outcome.status == 0 && outcome.errors.isEmpty)
            #expect(
                outcome.output == """
                    ben asks to log in as deploy on web1 (node:node-web1)
                      for 60 min, from desk
                      only to run: systemctl restart web
                      reason: the disk is full
                      good until 2030-03-18T03:46:40Z, waits for: 1 of ada
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

    @Test("--json gives the answer alone; further approvals that are needed are said")
    func json() async throws {
        try await fleet {
            [try $0.waiting()]
        } _: { workshop, ada in
            let issued = await ada.muster("ssh", "approve", "1", "--yes", "--json")
            let expected: JSONValue = [
                "state": "issued", "id": .string("1" + String(repeating: "0", count: 31)), "serial": 18,
                "certificate": "ssh-ed25519-cert-v01@openssh.com AAAA", "valid_before": 1_900_003_600_000,
                "host_authorities": [], "detail": "",
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

    @Test("a statement of another fleet, one that expired, and one that says more than is shown are not signed")
    func hostile() async throws {
        try await Workshop.sshFleet { workshop, ada in
            let other = try #require(FleetID(digest: Digest.sha256([1])))
            let good = try workshop.waiting()
            guard case .object(var object) = good.statement.signed else { return }
            object["also"] = "a root shell"
            let more = try SignedStatement(
                JSONFields(["signed": .object(object), "signatures": []])
            )
            let hidden = SSHWaitingRecord(
                statement: more,
                signers: good.signers,
                missing: "",
                asked: good.asked,
                origin: "desk"
            )
            let wrong: [(SSHWaitingRecord, String)] = [
                (try workshop.waiting(fleet: other), "asks for no certificate of this fleet"),
                (try workshop.waiting(expires: -1), "the statement expired at 2030-03-17T17:45:40Z"),
                (hidden, "the statement says more than this program understands: update muster"),
            ]
            for (record, why) in wrong {
                workshop.service.with { $0.ssh.waiting = [record] }
                let outcome = await ada.muster("ssh", "approve", "1", "--yes")
                #expect(outcome.status == 1 && outcome.output.isEmpty)
                #expect(outcome.errors.contains(why), "\(outcome.all)")
            }
            #expect(isUntouched(workshop))
        }
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
