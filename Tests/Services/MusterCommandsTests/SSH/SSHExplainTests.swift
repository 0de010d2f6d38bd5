import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterTestSupport
import OpenSSHFormats
import Testing

/// `muster ssh explain`.
@Suite
struct SSHExplainTests {
    private static func report(
        trusts key: TestKey = FakeService.userAuthority,
        hasCertificate: Bool = true,
        problem: String = ""
    ) throws -> SSHReport {
        let certificate = SSHReport.HostCertificate(fingerprint: "SHA256:x", serial: 1, validBefore: Workshop.moment(9))
        return SSHReport(
            sshdVersion: "OpenSSH_9.2p1 Debian-2+deb12u10",
            krlVersion: 3,
            userAuthorities: [try key.ssh.fingerprint],
            hostCertificates: hasCertificate ? [certificate] : [],
            problem: problem
        )
    }

    private func fleet(
        _ ssh: SSHReport?,
        state: String = "online",
        _ body: (Workshop, Person) async throws -> Void
    ) async throws {
        try await Workshop.sshFleet { workshop, ada in
            let (node, revocations) = (
                try Workshop.node("web1", ssh: ssh, state: state), try Workshop.revocations()
            )
            workshop.service.with {
                $0.nodes = [node]
                $0.ssh.revocations = [revocations]
            }
            try await body(workshop, ada)
        }
    }

    private func explain(_ person: Person, _ more: String...) async -> Person.Outcome {
        await person.muster(["ssh", "explain", "--as", "root", "--on", "web1"] + more)
    }

    @Test("a login that would work is explained by its rule, how long, and with what; nothing is asked for")
    func works() async throws {
        try await fleet(try Self.report()) { workshop, ada in
            let outcome = await explain(ada)
            #expect(outcome.status == 0 && outcome.errors.isEmpty)
            #expect(
                outcome.output == """
                    ada as root on web1: yes
                      policy: allowed by rule 'owners log in everywhere'
                      for at most 12 h
                      with permit-port-forwarding, permit-pty
                      sshd is OpenSSH_9.2p1 Debian-2+deb12u10

                    """
            )
            let json: JSONValue = [
                "works": true, "allowed": true, "decision": "allowed by rule 'owners log in everywhere'",
                "missing": [], "remarks": ["sshd is OpenSSH_9.2p1 Debian-2+deb12u10"],
                "rule": "owners log in everywhere", "seconds": 43200,
                "extensions": ["permit-port-forwarding", "permit-pty"],
            ]
            let shown = try await explain(ada, "--json").json
            #expect(shown == json)
            #expect(workshop.service.with { $0.statements.isEmpty })
        }
    }

    @Test("what the node's sshd lacks is listed, each in a line, and ends with 1")
    func missing() async throws {
        let report = try Self.report(trusts: TestKey("old"), hasCertificate: false, problem: "sshd is not running")
        try await fleet(report, state: "offline") { workshop, ada in
            let newest = SSHRevocationsRecord(version: 9, entries: [], nodes: [])
            workshop.service.with { $0.ssh.revocations = [newest] }
            let outcome = await explain(ada)
            let key = try FakeService.userAuthority.ssh.fingerprint
            #expect(outcome.status == 1)
            #expect(
                outcome.output == """
                    ada as root on web1: no
                      policy: allowed by rule 'owners log in everywhere'
                      for at most 12 h
                      with permit-port-forwarding, permit-pty
                      missing: its sshd is not proved to trust the user CA \(key)
                      missing: the node is offline
                      missing: its sshd: sshd is not running
                      missing: its sshd shows no host certificate, so no client believes it
                      it has version 3 of the revocations, the newest is 9
                      sshd is OpenSSH_9.2p1 Debian-2+deb12u10

                    """
            )
        }
        try await fleet(nil) { _, ada in
            let outcome = await explain(ada)
            #expect(outcome.output.hasSuffix("\n  missing: the node's agent does not look after an sshd\n"))
        }
    }

    @Test("who may not log in hears it, without a grant, and as JSON too")
    func refused() async throws {
        try await fleet(try Self.report()) { _, ada in
            let outcome = await explain(ada, "--operator", "ben")
            #expect(outcome.status == 1)
            #expect(
                outcome.output == """
                    ben as root on web1: no
                      policy: not allowed: 'ben' is not an operator of the policy
                      sshd is OpenSSH_9.2p1 Debian-2+deb12u10

                    """
            )
            let json = try await explain(ada, "--operator", "ben", "--json").json
            #expect(json["works"] == false && json["allowed"] == false && json["rule"] == nil)
        }
    }

    @Test("wrong input: an account, a node or an operator that cannot be; a fleet without certificates")
    func wrongInput() async throws {
        try await fleet(try Self.report()) { _, ada in
            for words in [
                ["--as", "root"], ["--on", "web1"], ["--as", "ro ot", "--on", "web1"], ["--as", "", "--on", "web1"],
                ["--as", "root", "--on", "web1", "--operator", "b n"],
            ] {
                #expect(await ada.muster(["ssh", "explain"] + words).status == 2, "\(words)")
            }
            for node in ["web9", "web1/../x", ""] {
                let outcome = await ada.muster("ssh", "explain", "--as", "root", "--on", node)
                #expect(outcome.status == 1)
                #expect(outcome.errors == "muster: there is no node '\(node)': see 'muster node list'\n")
            }
        }
        try await Workshop.fleet { workshop, ada in
            let node = try Workshop.node("web1", ssh: try Self.report())
            workshop.service.with { $0.nodes = [node] }
            let outcome = await explain(ada)
            #expect(outcome.status == 1)
            #expect(
                outcome.output.contains(
                    "  missing: the fleet has no SSH certificates: turn them on with 'muster ssh enable'\n"
                )
            )
        }
    }
}
