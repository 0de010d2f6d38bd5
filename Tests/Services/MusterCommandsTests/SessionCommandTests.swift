import CanonicalJSON
import Glibc
import MusterAPI
import MusterCommands
import MusterSystem
import MusterTestSupport
import Testing

/// Logging in, and reading without.
@Suite
struct SessionCommandTests {
    private func logins(_ workshop: Workshop) -> Int {
        workshop.service.with { $0.requests.count { $0 == "POST /v1/operator/session" } }
    }

    @Test("a login opens a session each time, and a logout forgets it")
    func login() async throws {
        try await Workshop.fleet { workshop, ada in
            let before = logins(workshop)
            for _ in 0..<2 {
                let outcome = await ada.muster("login")
                #expect(
                    outcome.output.hasPrefix("logged in as ada until 2030-04-16T17:46:40Z (30 d)"),
                    "\(outcome.all)"
                )
            }
            #expect(logins(workshop) == before + 2)
            var status = stat()
            #expect(stat(ada.folder.path + "/session", &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600)
            #expect(await ada.muster("node", "list").status == 0)
            #expect(logins(workshop) == before + 2)
            #expect(await ada.muster("logout").output == "logged out\n")
            #expect(!Directory.exists(ada.folder.path + "/session"))
            let again = await ada.muster("logout")
            #expect(again.status == 0 && again.output.isEmpty)
            #expect(await ada.muster("node", "list").status == 0)
            #expect(logins(workshop) == before + 3)
        }
    }

    @Test("whom the tailnet recognises reads without a session and without touching a key")
    func reading() async throws {
        try await Workshop.fleet { workshop, ada in
            await ada.muster("logout")
            let before = logins(workshop)
            workshop.service.with { $0.recognised = "ada" }
            for command in [["node", "list"], ["rollout", "list"], ["events"], ["enroll", "list"]] {
                let outcome = await ada.muster(command)
                #expect(outcome.status == 0, "\(command): \(outcome.all)")
            }
            #expect(logins(workshop) == before)
            #expect(!Directory.exists(ada.folder.path + "/session"))
            let token = await ada.muster("enroll", "token", "--tag", "web")
            #expect(token.status == 0, "\(token.all)")
            #expect(logins(workshop) == before + 1, "what changes something needs a session")
        }
    }

    @Test("whoever reads by the tailnet needs no key on the machine, and cannot write")
    func withoutKey() async throws {
        try await Workshop.fleet { workshop, ada in
            await ada.muster("logout")
            workshop.service.with { $0.recognised = "ada" }
            try AtomicFile.remove(ada.folder.path + "/operator.json")
            #expect(await ada.muster("node", "list").status == 0)
            #expect(await ada.muster("enroll", "token", "--tag", "web").status == 2)
            workshop.service.with { $0.recognised = nil }
            let outcome = await ada.muster("node", "list")
            #expect(outcome.status == 2 && outcome.errors.contains("no operator is configured"), "\(outcome.all)")
        }
    }

    @Test("a session that the service no longer knows makes way for the tailnet")
    func endedSession() async throws {
        try await Workshop.fleet { workshop, ada in
            #expect(await ada.muster("login").status == 0)
            let path = ada.folder.path + "/session"
            let text = String(decoding: try BoundedFile.read(path, limit: 10_000), as: UTF8.self)
            try AtomicFile.write(Array(text.replacing("session of", with: "nonsense of").utf8), to: path)
            workshop.service.with { $0.recognised = "ada" }
            let before = logins(workshop)
            #expect(await ada.muster("whoami").output.hasPrefix("ada, recognised by the tailnet, for reading\n"))
            #expect(await ada.muster("node", "list").status == 0)
            #expect(logins(workshop) == before)
        }
    }

    @Test("whoami says by what somebody is recognised, and asks for no key")
    func whoami() async throws {
        try await Workshop.fleet { workshop, ada in
            await ada.muster("logout")
            let before = logins(workshop)
            let nobody = await ada.muster("whoami")
            #expect(nobody.status == 1)
            #expect(nobody.output.hasPrefix("nobody: "))
            #expect(nobody.output.contains("login       ada@example.com\n"))
            #expect(nobody.errors.contains("muster login"))
            workshop.service.with { $0.recognised = "ada" }
            let reader = await ada.muster("whoami")
            #expect(reader.status == 0)
            #expect(reader.output.hasPrefix("ada, recognised by the tailnet, for reading\n"), "\(reader.all)")
            #expect(reader.output.contains("name        laptop.tail1234.ts.net\n"))
            #expect(reader.output.contains("configured  ada, ssh-ed25519 SHA256:"), "\(reader.output)")
            #expect(logins(workshop) == before)
            #expect(await ada.muster("login").status == 0)
            let session = await ada.muster("whoami")
            #expect(
                session.output.hasPrefix("ada, by a session until 2030-03-17T18:36:40Z (50 min)\n"),
                "\(session.all)"
            )
            let json = try JSONValue.parse(Array(await ada.muster("whoami", "--json").output.utf8), limit: 65536)
            #expect(json["operator"]?.text == "ada" && json["by"]?.text == "session")
            #expect(json["identity"]?["login"]?.text == "ada@example.com")
        }
    }
}
