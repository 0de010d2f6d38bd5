import CanonicalJSON
import Glibc
import MusterAPI
import MusterCommands
import MusterModel
import MusterSigners
import MusterSystem
import Testing

/// The beginning of a fleet.
@Suite
struct FleetInitTests {
    @Test("a fleet is made with sealed keys that only their owner can read")
    func makesFleet() async throws {
        try await Workshop.fleet(["--root-keys", "3", "--root-threshold", "2"]) { workshop, ada in
            let names = try Directory.entries(ada.folder.path + "/keys")
            #expect(names == ["policy-1.key", "release-1.key", "root-1.key", "root-2.key", "root-3.key"])
            for name in names {
                var status = stat()
                #expect(stat(ada.folder.path + "/keys/" + name, &status) == 0)
                #expect(status.st_mode & 0o777 == 0o600)
                _ = try SealedKeyFile.read(ada.folder.path + "/keys/" + name)
            }
            let shown = await ada.muster("fleet", "show")
            #expect(shown.status == 0, "\(shown.all)")
            #expect(shown.output.contains("fleet \(workshop.service.with { $0.fleet?.text ?? "" })"))
            #expect(shown.output.contains("2 of 3"))
        }
    }

    @Test("a second fleet init overwrites nothing")
    func overwritesNothing() async throws {
        try await Workshop.fleet { workshop, ada in
            let key = try BoundedFile.read(ada.folder.path + "/keys/root-1.key", limit: 4096)
            let again = await ada.signs(
                "fleet",
                "init",
                "--service",
                workshop.address,
                "--setup-token-file",
                ada.home + "/token"
            )
            #expect(again.status == 1)
            #expect(again.errors.contains("nothing of an existing fleet is overwritten"))
            #expect(try BoundedFile.read(ada.folder.path + "/keys/root-1.key", limit: 4096) == key)
        }
    }

    @Test("keys of another service than the set-up token speaks of are not signed")
    func otherService() async throws {
        try await Workshop.run { workshop in
            let ada = try await workshop.person("ada")
            let token = try #require(
                SetupToken(keysDigest: [UInt8](repeating: 1, count: 32), secret: FakeService.secret)
            )
            try AtomicFile.write(Array(token.line.utf8), to: ada.home + "/token")
            let outcome = await ada.signs(
                "fleet",
                "init",
                "--service",
                workshop.address,
                "--setup-token-file",
                ada.home + "/token"
            )
            #expect(outcome.status == 1)
            #expect(outcome.errors.contains("are not those of the service that printed the set-up token"))
            #expect(!Directory.exists(ada.folder.path + "/keys"))
        }
    }

    @Test("a service that refuses the fleet leaves no keys behind")
    func refused() async throws {
        try await Workshop.run { workshop in
            let ada = try await workshop.person("ada")
            workshop.service.with {
                $0.refusal = Problem(status: 409, code: "exists", title: "There is a fleet", detail: "join it")
            }
            await #expect(throws: Workshop.Failure.self) { try await ada.makesFleet([]) }
            #expect(!Directory.exists(ada.folder.path + "/keys"))
            #expect(!Directory.exists(ada.folder.path + "/fleet.json"))
            workshop.service.with { $0.refusal = nil }
            try await ada.makesFleet([])
        }
    }

    @Test("without a terminal the passphrase is not asked for")
    func neverAsks() async throws {
        try await Workshop.fleet { workshop, ada in
            let outcome = await ada.muster("release", "add", try await workshop.package("hello", "1.0"))
            #expect(outcome.status == 2)
            #expect(outcome.errors.contains("use --passphrase-fd or --passphrase-file"))
        }
    }

    @Test("a fleet id that is not the first root's is not joined")
    func joinsOnlyThePinnedFleet() async throws {
        try await Workshop.fleet { workshop, _ in
            let ben = try await workshop.person("ben")
            let other = String(repeating: "a", count: 64)
            let outcome = await ben.muster("fleet", "join", "--service", workshop.address, "--fleet", other)
            #expect(outcome.status == 1)
            #expect(outcome.errors.contains("is not that of fleet \(other)"))
            #expect(!Directory.exists(ben.folder.path + "/fleet.json"))
        }
    }

    @Test("an altered pinned root is refused")
    func alteredPinnedRoot() async throws {
        try await Workshop.fleet { _, ada in
            let path = ada.folder.path + "/tuf/pinned-root.json"
            var bytes = try BoundedFile.read(path, limit: 512_000)
            bytes.append(UInt8(ascii: "\n"))
            try AtomicFile.write(bytes, to: path)
            let outcome = await ada.muster("release", "list")
            #expect(outcome.status == 1)
            #expect(outcome.errors.contains("it was altered"))
        }
    }
}
