import ByteCoding
import CanonicalJSON
import MusterModel
import MusterSystem
import SignatureVerification
import TUF
import TUFTrust
import Testing

/// Several release managers, each with one key on one machine, bring a release to its threshold.
@Suite
struct ReleaseSigningTests {
    private static let twoOfThree = ["--release-keys", "3", "--release-threshold", "2"]

    /// A fleet whose three release keys are on the machines of ada, ben and cat.
    private func threeSigners(_ body: (Workshop, Person, Person, Person) async throws -> Void) async throws {
        try await Workshop.fleet(Self.twoOfThree) { workshop, ada in
            let ben = try await workshop.person("ben")
            let cat = try await workshop.person("cat")
            try await ben.joins(takingFrom: ada, key: "release-2.key")
            try await cat.joins(takingFrom: ada, key: "release-3.key")
            try await body(workshop, ada, ben, cat)
        }
    }

    private func staged(_ person: Person, _ version: Int = 2) -> String {
        person.home + "/config/staged/releases-\(version).json"
    }

    private func copy(_ from: String, to: String) throws -> String {
        try AtomicFile.write(try BoundedFile.read(from, limit: 1_000_000), to: to)
        return to
    }

    @Test("two of three release managers sign the same staged file and what is published verifies")
    func twoOfThree() async throws {
        try await threeSigners { workshop, ada, ben, _ in
            let package = try await workshop.package("hello", "2.10-3")
            let added = await ada.signs("release", "add", package, "--notes", "fixes the greeting")
            #expect(added.status == 0, "\(added.all)")
            #expect(added.output.contains("signed by 1 of 2 needed"))
            let handedOver = try copy(staged(ada), to: ben.home + "/releases-2.json")
            let signed = await ben.signs("release", "sign", handedOver)
            #expect(signed.status == 0, "\(signed.all)")
            #expect(signed.output.contains("signed by 2 of 2 needed"))
            let published = await ada.muster("release", "publish", handedOver)
            #expect(published.status == 0, "\(published.all)")
            let file = try trustedFile("releases/hello_2.10-3_all.deb", workshop)
            #expect(file.hashes.sha256 == Digest.sha256(try BoundedFile.read(package, limit: 1_000_000)))
            #expect(try ReleaseDescription(custom: file.custom).notes == "fixes the greeting")
            let uploaded = "targets/releases/\(Hex.encode(file.hashes.sha256 ?? [])).hello_2.10-3_all.deb"
            #expect(workshop.service.with { $0.files[uploaded] != nil })
        }
    }

    @Test("a release below its threshold is staged and is not published")
    func underThreshold() async throws {
        try await threeSigners { workshop, ada, _, _ in
            await ada.signs("release", "add", try await workshop.package("hello", "1.0"))
            let published = await ada.muster("release", "publish", staged(ada))
            #expect(published.status == 1)
            #expect(
                published.errors.contains("signed by 1 of the 2 keys of 'releases' that are needed: nothing was sent")
            )
            #expect(workshop.service.with { $0.versions["releases"] } == 1)
        }
    }

    @Test("one key that signs twice under the same id does not meet a threshold of two")
    func sameKeyTwice() async throws {
        try await threeSigners { workshop, ada, _, _ in
            await ada.signs("release", "add", try await workshop.package("hello", "1.0"))
            let again = await ada.signs("release", "sign", staged(ada))
            #expect(again.output.contains("signed by 1 of 2 needed"))
        }
    }

    @Test("a signer is shown what the staged file changes, and needs no service for it")
    func shownBeforeSigning() async throws {
        try await threeSigners { workshop, ada, ben, _ in
            await ada.signs("release", "add", try await workshop.package("hello", "1.0"), "--security")
            let handedOver = try copy(staged(ada), to: ben.home + "/staged.json")
            let before = workshop.service.with { $0.requests.count }
            let signed = await ben.signs("release", "sign", handedOver)
            #expect(workshop.service.with { $0.requests.count } == before)
            #expect(signed.output.contains("releases: version 1 -> 2"))
            #expect(signed.output.contains("+ releases/hello_1.0_all.deb"))
            #expect(signed.output.contains("hello 1.0 all, release 1 security"))
        }
    }

    @Test("signatures made in parallel merge into one file")
    func parallel() async throws {
        try await threeSigners { workshop, ada, ben, cat in
            await ada.signs("release", "add", try await workshop.package("hello", "1.0"))
            let first = try copy(staged(ada), to: ben.home + "/a.json")
            let second = try copy(staged(ada), to: cat.home + "/b.json")
            await ben.signs("release", "sign", first)
            await cat.signs("release", "sign", second)
            let merged = await ada.muster("release", "merge", staged(ada), first, second)
            #expect(merged.output.contains("signed by 3 of 2 needed"), "\(merged.all)")
            #expect(await ada.muster("release", "publish", staged(ada)).status == 0)
            #expect(!Directory.exists(staged(ada)))
            _ = try trustedFile("releases/hello_1.0_all.deb", workshop)
        }
    }

    @Test("staged metadata altered by one byte after it was signed does not merge and is not published")
    func alteredAfterSigning() async throws {
        try await threeSigners { workshop, ada, ben, _ in
            await ada.signs("release", "add", try await workshop.package("hello", "1.0"))
            let first = try copy(staged(ada), to: ben.home + "/a.json")
            await ben.signs("release", "sign", first)
            let text = String(decoding: try BoundedFile.read(first, limit: 1_000_000), as: UTF8.self)
            let altered = text.replacing("hello_1.0_all", with: "hellp_1.0_all")
            try AtomicFile.write(Array(altered.utf8), to: first)
            let merged = await ada.muster("release", "merge", staged(ada), first)
            #expect(merged.status == 1)
            #expect(merged.errors.contains("signed for another content"))
            #expect(await ben.muster("release", "publish", first).errors.contains("signed by 0 of the 2 keys"))
        }
    }

    @Test("a staged file that loses or alters a signed release is not signed unawares")
    func losesRelease() async throws {
        try await threeSigners { workshop, ada, ben, cat in
            let package = try await workshop.package("hello", "1.0")
            await ada.signs("release", "add", package)
            let file = try copy(staged(ada), to: ben.home + "/staged.json")
            await ben.signs("release", "sign", file)
            #expect(await ada.muster("release", "publish", file).status == 0)
            #expect(await cat.muster("release", "list").output.contains("hello"))
            let empty = try Targets(version: 3, expires: FakeService.time.adding(seconds: 86400))
            let lossy: JSONValue = [
                "_type": "muster-staged", "role": "releases",
                "fleet": .string(workshop.service.with { $0.fleet?.text ?? "" }),
                "envelope": ["signed": empty.json, "signatures": []],
            ]
            let path = cat.home + "/lossy.json"
            try AtomicFile.write(lossy.jsonBytes, to: path)
            let signed = await cat.signs("release", "sign", path)
            #expect(signed.status == 1)
            #expect(signed.errors.contains("it would lose releases/hello_1.0_all.deb"))
        }
    }

    @Test("a key that is none of the release keys is refused")
    func wrongKey() async throws {
        try await threeSigners { workshop, ada, _, _ in
            await ada.signs("release", "add", try await workshop.package("hello", "1.0"))
            let policyKey = ada.home + "/config/keys/policy-1.key"
            let signed = await ada.signs("release", "sign", staged(ada), "--release-key", policyKey)
            #expect(signed.status == 1)
            #expect(signed.errors.contains("policy-1.key is not among the keys that may sign releases"))
        }
    }

    @Test("a wrong passphrase signs nothing")
    func wrongPassphrase() async throws {
        try await Workshop.fleet { workshop, ada in
            try AtomicFile.write(Array("wrong\n".utf8), to: ada.home + "/passphrase")
            let added = await ada.signs("release", "add", try await workshop.package("hello", "1.0"))
            #expect(added.status == 1)
            #expect(added.errors.contains("the passphrase is wrong"))
            #expect(workshop.service.with { $0.versions["releases"] } == 1)
        }
    }

    @Test("a corrupt package is refused")
    func corruptPackage() async throws {
        try await Workshop.fleet { workshop, ada in
            let package = try await workshop.package("hello", "1.0", content: String(repeating: "x", count: 5000))
            var bytes = try BoundedFile.read(package, limit: 1_000_000)
            bytes.removeLast(200)
            try AtomicFile.write(bytes, to: package)
            let added = await ada.signs("release", "add", package)
            #expect(added.status == 1)
            #expect(added.errors.contains("is not released"))
        }
    }

    @Test("a package whose name is another package's is refused")
    func nameMismatch() async throws {
        try await Workshop.fleet { workshop, ada in
            let package = try await workshop.package("hello", "1.0", fileName: "hello_2.0_all.deb")
            let added = await ada.signs("release", "add", package)
            #expect(added.status == 1)
            #expect(added.errors.contains("holds hello 1.0 all, so its name must be hello_1.0_all.deb"))
        }
    }

    @Test("the same version with other bytes is refused")
    func sameVersionOtherBytes() async throws {
        try await Workshop.fleet { workshop, ada in
            #expect(await ada.signs("release", "add", try await workshop.package("hello", "1.0")).status == 0)
            let rebuilt = try await workshop.package("hello", "1.0", content: "other")
            let added = await ada.signs("release", "add", rebuilt)
            #expect(added.status == 1)
            #expect(added.errors.contains("a new build needs a new version"))
        }
    }

    @Test("each release of a package has a higher counter, and architectures of one version share it")
    func counters() async throws {
        try await Workshop.fleet { workshop, ada in
            let files = [
                try await workshop.package("hello", "1.0", architecture: "amd64"),
                try await workshop.package("hello", "1.0", architecture: "arm64"),
                try await workshop.package("hello", "1.1", architecture: "amd64"),
                try await workshop.package("other", "9", architecture: "amd64"),
            ]
            #expect(await ada.muster(["release", "add"] + files + passphrase(ada)).status == 0)
            let list = await ada.muster("release", "list", "--json")
            let releases = try JSONFields(JSONValue.parse(Array(list.output.utf8), limit: 1_000_000))
                .objects("releases", limit: 10)
            let counters = try releases.map { "\(try $0.string("path").dropFirst(9)) \(try $0.integer("counter"))" }
            #expect(
                counters == [
                    "hello_1.1_amd64.deb 2", "hello_1.0_amd64.deb 1", "hello_1.0_arm64.deb 1", "other_9_amd64.deb 1",
                ]
            )
        }
    }

    @Test("an expired list of releases can be renewed and does not wedge the release managers")
    func renewsExpired() async throws {
        try await Workshop.fleet { workshop, ada in
            let package = try await workshop.package("hello", "1.0")
            let added = await ada.signs("release", "add", package, "--expires-days", "1")
            #expect(added.status == 0, "\(added.all)")
            let later = ada.later(days: 2)
            workshop.service.with { $0.lifetime = 10 * 86400 }
            try workshop.service.freshen()
            let verified = await later.muster("verify", package)
            #expect(verified.status == 2)
            #expect(verified.errors.contains("renew it with 'muster release renew'"), "\(verified.all)")
            let renewed = await later.signs("release", "renew")
            #expect(renewed.status == 0, "\(renewed.all)")
            #expect(await later.muster("verify", package).status == 0)
        }
    }

    private func passphrase(_ person: Person) -> [String] { ["--passphrase-file", person.home + "/passphrase"] }

    /// The file as a client trusts it that knows only the fleet's first root.
    private func trustedFile(_ path: String, _ workshop: Workshop) throws -> TargetFile {
        let files = workshop.service.with { $0.files }
        let versions = workshop.service.with { $0.versions }
        let freshness = workshop.service.with { $0.freshness }
        func metadata(_ name: String) -> [UInt8] { files["metadata/" + name] ?? [] }
        var trusted = try TrustedMetadata(trustedRoot: metadata("1.root.json"), time: FakeService.time)
        _ = try trusted.updateTimestamp(metadata("timestamp.json"))
        _ = try trusted.updateSnapshot(metadata("\(freshness).snapshot.json"))
        try trusted.updateTargets(metadata("\(versions["targets"] ?? 0).targets.json"))
        try trusted.updateDelegatedTargets(
            metadata("\(versions["releases"] ?? 0).releases.json"),
            role: "releases",
            delegator: "targets"
        )
        return try #require(trusted.loadedTargetFile(path))
    }
}
