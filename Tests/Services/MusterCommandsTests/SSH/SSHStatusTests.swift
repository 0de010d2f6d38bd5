import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterTestSupport
import OpenSSHFormats
import Testing

/// `muster ssh status` and `muster ssh rotate`.
@Suite
struct SSHStatusTests {
    private static let year = "2031-03-17T17:46:40Z"

    private func fleet(_ body: (Workshop, Person) async throws -> Void) async throws {
        try await Workshop.sshFleet { workshop, ada in
            let (rotation, revocations) = (Workshop.rotation(try Workshop.trust()), try Workshop.revocations())
            workshop.service.with {
                $0.ssh.rotations = [rotation]
                $0.ssh.revocations = [revocations]
            }
            try await body(workshop, ada)
        }
    }

    private static func line(_ kind: String, _ key: TestKey, _ phase: String) throws -> String {
        "  \(kind) CA \(try key.ssh.fingerprint) \(phase) since 2030-03-17T17:46:40Z, expires \(year)"
    }

    private static func authorities() throws -> String {
        """
        ssh/trust.json version 1
        \(try line("user", FakeService.userAuthority, "signing"))
        \(try line("host", FakeService.hostAuthority, "signing"))

        """
    }

    @Test("while all is well: the CAs, the last revocations, and how far they have come")
    func well() async throws {
        try await fleet { workshop, ada in
            let outcome = await ada.muster("ssh", "status")
            #expect(outcome.status == 0 && outcome.errors.isEmpty)
            #expect(
                try outcome.output == Self.authorities() + """
                    revocations, version 3: revoked on 3 of 3 nodes
                      2030-03-17T17:46:40Z serial 17: 1 certificate, by ada: laptop lost

                    """
            )
            let many = try Workshop.revocations(entries: 7)
            workshop.service.with { $0.ssh.revocations = [many] }
            let more = await ada.muster("ssh", "status")
            let lines = more.output.split(separator: "\n")
            try #require(lines.count == 10, "\(more.all)")
            #expect(lines.last == "  and 2 before")
            #expect(lines[5] == "  2030-03-17T17:45:40Z serial 16: 2 certificates, by ada: laptop lost")
        }
    }

    @Test("a rotation under way says what comes next, how many have proved it, and whom it waits for")
    func rotating() async throws {
        try await fleet { workshop, ada in
            let rotation = Workshop.rotation(
                try Workshop.trust(),
                user: .sign,
                waiting: ["web2: its sshd is not proved to trust the next CA"],
                unreachable: ["web3: unreachable since yesterday"],
                proved: 1
            )
            let record = try workshop.waiting()
            workshop.service.with {
                $0.ssh.rotations = [rotation]
                $0.ssh.waiting = [record]
            }
            let outcome = await ada.muster("ssh", "status")
            #expect(outcome.status == 0)
            #expect(
                try outcome.output == Self.authorities() + """
                    rotation of the user CA: 'sign' comes next
                      1 of 3 nodes have proved what 'sign' needs
                      waits for: web2: its sshd is not proved to trust the next CA
                      not waited for: web3: unreachable since yesterday
                    revocations, version 3: revoked on 3 of 3 nodes
                      2030-03-17T17:46:40Z serial 17: 1 certificate, by ada: laptop lost
                    1 request waits for approval: muster ssh list --waiting

                    """
            )
        }
    }

    @Test("an sshd that is not as it should be, and a CA near its end or over, are said last and end with 1")
    func problems() async throws {
        try await fleet { workshop, ada in
            let broken = try Workshop.revocations(problem: "sshd -t: line 3: Bad configuration option")
            workshop.service.with { $0.ssh.revocations = [broken] }
            let outcome = await ada.muster("ssh", "status")
            #expect(outcome.status == 1)
            #expect(outcome.output.hasSuffix("\nweb1: sshd -t: line 3: Bad configuration option\n"))
            let json = await ada.muster("ssh", "status", "--json")
            #expect(json.status == 1)
            #expect(try json.json["problems"] == ["web1: sshd -t: line 3: Bad configuration option"])
            // The CAs expire when the metadata of this fleet does, and the service goes on signing its own.
            #expect(await ada.signs("ssh", "enable").status == 0)
        }
        try await Workshop.fleet { workshop, ada in
            workshop.service.with { $0.ssh.hasAuthorities = true }
            #expect(await ada.signs("ssh", "enable", "--ssh-ca-days", "8").status == 0)
            let (rotation, revocations) = (Workshop.rotation(try Workshop.trust()), try Workshop.revocations())
            workshop.service.with {
                $0.ssh.rotations = [rotation]
                $0.ssh.revocations = [revocations]
                $0.lifetime = 30 * 86400
            }
            try workshop.service.freshen()
            #expect(await ada.muster("ssh", "status").status == 0)
            for (days, end) in [(2, "expires in 6 d"), (8, "expired at 2030-03-25T17:46:40Z")] as [(Int64, String)] {
                let outcome = await ada.later(days: days).muster("ssh", "status")
                #expect(outcome.status == 1)
                #expect(
                    outcome.output.hasSuffix(
                        "\nthe user CA \(end): muster ssh rotate user\nthe host CA \(end): muster ssh rotate host\n"
                    ),
                    "\(outcome.all)"
                )
            }
        }
    }

    @Test("--json has the CAs as trusted by their signatures, the rotations, the revocations and what waits")
    func json() async throws {
        try await fleet { workshop, ada in
            let (rotation, revocations) = workshop.service.with { ($0.ssh.rotations[0], $0.ssh.revocations[0]) }
            let outcome = await ada.muster("ssh", "status", "--json")
            let expected: JSONValue = [
                "trust": try Workshop.trust().json, "rotation": rotation.json, "revocations": revocations.json,
                "waiting": [], "problems": [],
            ]
            #expect(try outcome.json == expected)
            #expect(outcome.status == 0 && outcome.errors.isEmpty)
        }
    }

    @Test("a step that waits names what it waits for, and nothing is signed")
    func waits() async throws {
        try await fleet { workshop, ada in
            let rotation = Workshop.rotation(
                try Workshop.trust(),
                user: .sign,
                waiting: ["web2: its sshd is not proved to trust the next CA"],
                proved: 2
            )
            workshop.service.with { $0.ssh.rotations = [rotation] }
            let outcome = await ada.signs("ssh", "rotate", "user")
            #expect(outcome.status == 1)
            #expect(
                outcome.output == """
                      2 of 3 nodes have proved what 'sign' needs
                      waits for: web2: its sshd is not proved to trust the next CA

                    """
            )
            #expect(outcome.errors == "muster: 'sign' waits for 1 of the above: try again, or give --wait\n")
            #expect(workshop.service.with { $0.ssh.steps.isEmpty && $0.versions["policy"] == 2 })
        }
    }

    @Test("a step is shown, signed and published; the document differs from the trusted one in that step alone")
    func announces() async throws {
        try await fleet { workshop, ada in
            let next = try Workshop.trust(next: .announced)
            let prepared = Workshop.rotation(try Workshop.trust(), proposal: next)
            let after = Workshop.rotation(next, user: .sign, waiting: ["web1: not yet"], proved: 2)
            workshop.service.with {
                $0.ssh.prepared = prepared
                $0.ssh.rotations.append(after)
            }
            let outcome = await ada.signs("ssh", "rotate", "user")
            #expect(outcome.status == 0, "\(outcome.all)")
            #expect(
                try outcome.output.hasSuffix(
                    """
                    published policy version 3
                    \(Self.line("user", FakeService.userAuthority, "signing"))
                    \(Self.line("user", TestKey("next-user-ca"), "announced"))
                    \(Self.line("host", FakeService.hostAuthority, "signing"))
                      2 of 3 nodes have proved what 'sign' needs
                      waits for: web1: not yet

                    """
                ),
                "\(outcome.all)"
            )
            #expect(outcome.errors.hasSuffix("next: muster ssh rotate user sign\n"))
            #expect(
                workshop.service.with { $0.ssh.steps } == [
                    SSHRotationRequest(kind: .user, action: .announce, days: 365)
                ]
            )
            let trust = try await ada.muster("ssh", "status", "--json").json["trust"]
            #expect(trust == next.json)
        }
    }

    @Test("a service that proposes more than the step that was asked for gets no signature")
    func proposesMore() async throws {
        try await fleet { workshop, ada in
            // It would have its own second key sign at once.
            let rotation = Workshop.rotation(try Workshop.trust(), proposal: try Workshop.trust(next: .signing))
            workshop.service.with { $0.ssh.prepared = rotation }
            let outcome = await ada.signs("ssh", "rotate", "user", "announce")
            #expect(outcome.status == 1 && outcome.output.isEmpty)
            #expect(
                outcome.errors
                    == "muster: the service proposes another ssh/trust.json than 'announce' makes: nothing was signed\n"
            )
            #expect(workshop.service.with { $0.versions["policy"] } == 2)
            let impossible = await ada.signs("ssh", "rotate", "user", "retire")
            #expect(impossible.status == 1 && workshop.service.with { $0.versions["policy"] } == 2)
        }
    }

    @Test("wrong input is a matter of usage; a fleet without certificates says how to turn them on")
    func wrongInput() async throws {
        try await Workshop.fleet { workshop, ada in
            for words in [
                ["rotate"], ["rotate", "service"], ["rotate", "user", "sideways"],
                ["rotate", "user", "--ssh-ca-days", "0"], ["rotate", "user", "--wait", "soon"], ["status", "now"],
            ] {
                #expect(await ada.muster(["ssh"] + words).status == 2, "\(words)")
            }
            let status = await ada.muster("ssh", "status")
            #expect(status.status == 1 && status.output.isEmpty)
            #expect(
                status.errors
                    == "muster: the fleet has no SSH certificates: turn them on with 'muster ssh enable'\n"
            )
            let rotate = await ada.signs("ssh", "rotate", "user")
            #expect(rotate.status == 1 && rotate.errors.contains("'muster ssh enable'"), "\(rotate.all)")
        }
    }
}
