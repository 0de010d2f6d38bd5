import CanonicalJSON
import MusterSystem
import Testing

/// `muster verify`: 0 trusted, 1 not trusted, 2 could not be found out.
@Suite
struct VerifyTests {
    @Test("a released file is trusted, under its own name and by --name")
    func trusted() async throws {
        try await Workshop.fleet { workshop, ada in
            let package = try await workshop.package("hello", "1.0")
            await ada.signs("release", "add", package)
            let outcome = await ada.muster("verify", package)
            #expect(outcome.status == 0, "\(outcome.all)")
            #expect(outcome.output.contains("trusted, signed by the release keys as release 1"))
            let copy = workshop.folder + "/copy"
            try AtomicFile.write(try BoundedFile.read(package, limit: 1_000_000), to: copy)
            let unnamed = await ada.muster("verify", copy)
            #expect(unnamed.status == 1)
            #expect(unnamed.output.contains("its content is that of releases/hello_1.0_all.deb"))
            #expect(await ada.muster("verify", copy, "--name", "releases/hello_1.0_all.deb").status == 0)
        }
    }

    @Test("a file changed by one byte is not trusted, and the JSON says why")
    func changed() async throws {
        try await Workshop.fleet { workshop, ada in
            let package = try await workshop.package("hello", "1.0")
            await ada.signs("release", "add", package)
            var bytes = try BoundedFile.read(package, limit: 1_000_000)
            bytes[bytes.count / 2] ^= 1
            try AtomicFile.write(bytes, to: package)
            let outcome = await ada.muster("verify", package, "--json")
            #expect(outcome.status == 1)
            let fields = try JSONFields(JSONValue.parse(Array(outcome.output.utf8), limit: 100_000))
            #expect(try fields.bool("trusted") == false)
            #expect(try fields.string("reason").contains("which is not the signed one"))
        }
    }

    @Test("a file that nobody signed is not trusted")
    func unknown() async throws {
        try await Workshop.fleet { workshop, ada in
            let outcome = await ada.muster("verify", try await workshop.package("hello", "1.0"))
            #expect(outcome.status == 1)
            #expect(outcome.output.contains("no signed release is named releases/hello_1.0_all.deb"))
        }
    }

    @Test("without a repository, without the file or without a fleet it cannot be found out")
    func undetermined() async throws {
        try await Workshop.fleet { workshop, ada in
            #expect(await ada.muster("verify", "/nonexistent").status == 2)
            let package = try await workshop.package("hello", "1.0")
            let ben = try await workshop.person("ben")
            #expect(await ben.muster("verify", package).status == 2)
            workshop.service.with { $0.files["metadata/timestamp.json"] = nil }
            #expect(await ada.muster("verify", package).status == 2)
        }
    }

    @Test("a frozen repository whose timestamp expired leaves the question open")
    func frozen() async throws {
        try await Workshop.fleet { workshop, ada in
            let package = try await workshop.package("hello", "1.0")
            await ada.signs("release", "add", package)
            // The release manager's trusted timestamp is version 2; an older one is offered.
            let old = workshop.service.with { $0.files["metadata/timestamp.json"] }
            await ada.signs("release", "add", try await workshop.package("hello", "1.1"))
            workshop.service.with { $0.files["metadata/timestamp.json"] = old }
            let outcome = await ada.muster("verify", package)
            #expect(outcome.status == 2)
            #expect(outcome.errors.contains("is not trusted: timestamp"), "\(outcome.all)")
        }
    }
}
