import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import Testing

/// `muster ssh enable`, by one policy key or several.
@Suite
struct SSHEnableTests {
    private static func lines() throws -> String {
        let end = "signing since 2030-03-17T17:46:40Z, expires 2031-03-17T17:46:40Z"
        return """
              user CA \(try FakeService.userAuthority.ssh.fingerprint) \(end)
              host CA \(try FakeService.hostAuthority.ssh.fingerprint) \(end)

            """
    }

    @Test("the CAs are shown and published beside the policy, which stays as it is; once more changes nothing")
    func enable() async throws {
        try await Workshop.fleet { workshop, ada in
            let before = try await ada.muster("policy", "show", "--json").json
            workshop.service.with { $0.ssh.hasAuthorities = true }
            let outcome = await ada.signs("ssh", "enable")
            #expect(outcome.status == 0)
            #expect(outcome.output.contains("policy: version 1 -> 2, expires 2031-03-17T17:46:40Z\n"))
            #expect(outcome.output.contains("\n+ ssh/trust.json\n"))
            #expect(try outcome.output.contains("\nssh/trust.json version 1:\n" + Self.lines()))
            #expect(outcome.output.hasSuffix("\npublished policy version 2\n"))
            #expect(outcome.errors.hasSuffix("next: muster ssh HOST\n"))
            let again = await ada.signs("ssh", "enable")
            #expect(try again.output == Self.lines() + "SSH certificates are on already\n")
            #expect(again.status == 0 && workshop.service.with { $0.versions["policy"] } == 2)
            let after = try await ada.muster("policy", "show", "--json").json
            #expect(after["rules"] == before["rules"] && after["operators"] == before["operators"])
        }
    }

    @Test("a service without keys for certificates, and a wrong number of days, are told apart")
    func refused() async throws {
        try await Workshop.fleet { workshop, ada in
            let old = await ada.signs("ssh", "enable")
            #expect(old.status == 1)
            #expect(
                old.errors == "muster: the service at \(workshop.address) has no CA keys: update musterd\n"
            )
            for days in ["0", "3651", "x"] {
                #expect(await ada.signs("ssh", "enable", "--ssh-ca-days", days).status == 2)
            }
            #expect(workshop.service.with { $0.versions["policy"] } == 1)
        }
    }

    @Test("with a threshold of two it is staged; the second signer is shown the CAs, and only both together publish")
    func threshold() async throws {
        try await twoSigners { workshop, ada, ben in
            let staged = ada.home + "/config/staged/policy-2.json"
            let early = await ada.muster("policy", "publish", staged)
            #expect(early.status == 1)
            #expect(early.errors.contains("signed by 1 of the 2 keys of 'policy' that are needed: nothing was sent"))
            #expect(await ada.muster("ssh", "status").errors.contains("'muster ssh enable'"), "nothing is on yet")
            let handedOver = try copy(staged, to: ben.home + "/policy-2.json")
            let signed = await ben.signs("policy", "sign", handedOver)
            #expect(signed.status == 0)
            let lines = try Self.lines()
            #expect(signed.output.contains("\n+ ssh/trust.json\n") && signed.output.contains(lines))
            #expect(signed.output.hasSuffix("\n\(handedOver): signed by 2 of 2 needed\n"))
            #expect(signed.errors.hasSuffix("next: muster policy publish \(handedOver)\n"))
            let published = await ada.muster("policy", "publish", handedOver)
            #expect(published.status == 0 && published.output == "published policy version 2\n", "\(published.all)")
            let trust = await ada.signs("ssh", "enable").output
            #expect(trust == lines + "SSH certificates are on already\n")
        }
    }

    @Test("signatures made in parallel merge into one staged file, which is then published")
    func merged() async throws {
        try await twoSigners { workshop, ada, ben in
            let staged = ada.home + "/config/staged/policy-2.json"
            // Each signs a copy of the file as it was before anybody had signed.
            guard case .object(var object) = try read(staged), case .object(var envelope)? = object["envelope"] else {
                Issue.record("no envelope")
                return
            }
            envelope["signatures"] = []
            object["envelope"] = .object(envelope)
            let blank = ben.home + "/policy-2.json"
            try AtomicFile.write(JSONValue.object(object).jsonBytes, to: blank)
            #expect(await ben.signs("policy", "sign", blank).output.hasSuffix("signed by 1 of 2 needed\n"))
            let merged = await ada.muster("policy", "merge", staged, blank)
            #expect(merged.output == "\(staged): signed by 2 of 2 needed\n", "\(merged.all)")
            #expect(await ada.muster("policy", "publish", staged).status == 0)
            #expect(workshop.service.with { $0.versions["policy"] } == 2)
        }
    }

    @Test("a staged file whose CAs were exchanged or taken out is neither signed nor published")
    func altered() async throws {
        try await twoSigners { workshop, ada, ben in
            let staged = ada.home + "/config/staged/policy-2.json"
            guard case .object(let object) = try read(staged), case .object(var trust)? = object["ssh_trust"] else {
                Issue.record("no ssh_trust")
                return
            }
            let evil: JSONValue = [
                "public_key": .string(try TestKey("evil").ssh.line), "phase": "signing",
                "since": "2030-03-17T17:46:40Z", "expires": "2031-03-17T17:46:40Z",
            ]
            trust["user_ca"] = [evil]
            var exchanged = object
            exchanged["ssh_trust"] = .object(trust)
            var without = object
            without["ssh_trust"] = nil
            let wrong = [
                (exchanged, "the ssh/trust.json in the staged file is not the one to be signed"),
                (without, "the staged file does not carry the ssh/trust.json that it changes"),
            ]
            for (altered, why) in wrong {
                let path = ben.home + "/altered.json"
                try AtomicFile.write(JSONValue.object(altered).jsonBytes, to: path)
                for command in [["policy", "sign", path], ["policy", "publish", path]] {
                    let outcome = await ben.muster(command + Self.passphrase(ben, command))
                    #expect(outcome.status == 1, "\(command) \(outcome.all)")
                    #expect(outcome.errors.contains(why) || outcome.errors.contains("signed by 1 of the 2"))
                }
                let signed = await ben.signs("policy", "sign", path)
                #expect(signed.errors == "muster: \(why)\n", "\(signed.all)")
            }
            #expect(workshop.service.with { $0.versions["policy"] } == 1)
        }
    }

    // MARK: - Steps

    /// A fleet whose two policy keys, both needed, are with ada and ben; ada has staged the CAs.
    private func twoSigners(_ body: (Workshop, Person, Person) async throws -> Void) async throws {
        try await Workshop.fleet(["--policy-keys", "2", "--policy-threshold", "2"]) { workshop, ada in
            let ben = try await workshop.person("ben")
            try await ben.joins(takingFrom: ada, key: "policy-2.key")
            workshop.service.with { $0.ssh.hasAuthorities = true }
            let staged = await ada.signs("ssh", "enable")
            #expect(staged.status == 0)
            #expect(staged.output.hasSuffix("policy-2.json: signed by 1 of 2 needed\n"), "\(staged.all)")
            try await body(workshop, ada, ben)
        }
    }

    private static func passphrase(_ person: Person, _ command: [String]) -> [String] {
        command[1] == "sign" ? ["--passphrase-file", person.home + "/passphrase"] : []
    }

    private func copy(_ from: String, to: String) throws -> String {
        try AtomicFile.write(try BoundedFile.read(from, limit: 1_000_000), to: to)
        return to
    }

    private func read(_ path: String) throws -> JSONValue {
        try JSONValue.parse(try BoundedFile.read(path, limit: 1_000_000), limit: 1_000_000)
    }
}
