import ByteCoding
import CanonicalJSON
import MusterCommands
import MusterModel
import MusterSystem
import MusterTestSupport
import TUF
import TUFTrust
import Testing

/// Root and targets are renewed by the root keys, before they expire and after.
@Suite
struct FleetRenewTests {
    @Test("a client that knows only the first root follows a renewal, and no key changes")
    func renews() async throws {
        try await Workshop.fleet { workshop, ada in
            let renewed = await ada.signs("fleet", "renew", "--expires-days", "500")
            #expect(renewed.status == 0, "\(renewed.all)")
            #expect(renewed.output.contains("root: version 1 -> 2, expires"))
            #expect(renewed.output.contains("keys unchanged, roles unchanged; 1 of 1 must sign"))
            let trusted = try pinnedClient(workshop, at: FakeService.time)
            #expect(trusted.root.version == 2)
            #expect(trusted.targets?.version == 2)
            #expect(trusted.root.expires == FakeService.time.adding(seconds: 500 * 86400))
            #expect(trusted.targets?.expires == FakeService.time.adding(seconds: 500 * 86400))
            let first = try root(workshop, 1)
            #expect(trusted.root.keys == first.keys)
            #expect(trusted.root.roles == first.roles)
            #expect(!Directory.exists(ada.folder.path + "/staged/root-2.json"))
            let package = try await workshop.package("hello", "1.0")
            #expect(await ada.signs("release", "add", package).status == 0)
        }
    }

    @Test("root and targets that expired are renewed; until then the other commands say how")
    func renewsExpired() async throws {
        try await Workshop.fleet(["--expires-days", "2"]) { workshop, ada in
            let later = ada.later(days: 3)
            workshop.service.with { $0.lifetime = 30 * 86400 }
            try workshop.service.freshen()
            let shown = await later.muster("fleet", "show")
            #expect(shown.status == 2)
            #expect(shown.errors.contains("muster fleet renew"), "\(shown.all)")
            let renewed = await later.signs("fleet", "renew")
            #expect(renewed.status == 0, "\(renewed.all)")
            let trusted = try pinnedClient(workshop, at: FakeService.time.adding(seconds: 3 * 86400))
            #expect(trusted.root.version == 2)
            #expect(await later.signs("release", "renew").status == 0)
        }
    }

    @Test("a second renewal is made on top of the first")
    func renewsTwice() async throws {
        try await Workshop.fleet { workshop, ada in
            #expect(await ada.signs("fleet", "renew").status == 0)
            #expect(await ada.signs("fleet", "renew").status == 0)
            let trusted = try pinnedClient(workshop, at: FakeService.time)
            #expect(trusted.root.version == 3)
            #expect(trusted.targets?.version == 3)
        }
    }

    @Test("below the threshold nothing is sent; two holders of root keys renew together")
    func twoSigners() async throws {
        try await Workshop.fleet(["--root-keys", "2", "--root-threshold", "2"]) { workshop, ada in
            let ben = try await workshop.person("ben")
            try await ben.joins(takingFrom: ada, key: "root-2.key")
            let renewed = await ada.signs("fleet", "renew")
            #expect(renewed.status == 0, "\(renewed.all)")
            #expect(renewed.output.contains("root-2.json: signed by 1 of 2 needed"))
            let staged = [ada.folder.path + "/staged/root-2.json", ada.folder.path + "/staged/targets-2.json"]
            let early = await ada.muster(["fleet", "publish"] + staged)
            #expect(early.status == 1)
            #expect(early.errors.contains("signed by 1 of the 2 keys of 'root' that are needed: nothing was sent"))
            #expect(workshop.service.with { $0.files["metadata/2.root.json"] == nil })
            let requests = workshop.service.with { $0.requests.count }
            let signed = await ben.muster(
                ["fleet", "sign"] + staged + ["--passphrase-file", ben.home + "/passphrase"]
            )
            #expect(signed.status == 0, "\(signed.all)")
            #expect(signed.output.contains("keys unchanged, roles unchanged; 2 of 2 must sign"))
            #expect(signed.output.contains("targets-2.json: signed by 2 of 2 needed"))
            #expect(workshop.service.with { $0.requests.count } == requests)
            let published = await ada.muster(["fleet", "publish"] + staged.reversed())
            #expect(published.status == 0, "\(published.all)")
            let trusted = try pinnedClient(workshop, at: FakeService.time)
            #expect(trusted.root.version == 2)
            #expect(trusted.targets?.version == 2)
            let sent = workshop.service.with {
                $0.requests.filter { $0.contains("/metadata/") && $0.hasPrefix("POST") }
            }
            #expect(sent.map { $0.split(separator: "/").last } == ["root", "targets"])
        }
    }

    @Test("signatures made in parallel merge")
    func merges() async throws {
        try await Workshop.fleet(["--root-keys", "3", "--root-threshold", "2"]) { workshop, ada in
            let ben = try await workshop.person("ben")
            try await ben.joins(takingFrom: ada, key: "root-2.key")
            let cat = try await workshop.person("cat")
            try await cat.joins(takingFrom: ada, key: "root-3.key")
            await ada.signs("fleet", "renew")
            let staged = ada.folder.path + "/staged/root-2.json"
            let copy = cat.home + "/root-2.json"
            try AtomicFile.write(try BoundedFile.read(staged, limit: 100_000), to: copy)
            #expect(await ben.signs("fleet", "sign", staged).status == 0)
            #expect(await cat.signs("fleet", "sign", copy).status == 0)
            let merged = await ada.muster("fleet", "merge", staged, copy)
            #expect(merged.output.contains("signed by 3 of 2 needed"), "\(merged.all)")
        }
    }

    @Test("a staged root that names another key is shown and not signed unawares")
    func otherKeys() async throws {
        try await Workshop.fleet(["--root-keys", "2", "--root-threshold", "2"]) { workshop, ada in
            let ben = try await workshop.person("ben")
            try await ben.joins(takingFrom: ada, key: "root-2.key")
            await ada.signs("fleet", "renew")
            let staged = ada.folder.path + "/staged/root-2.json"
            let text = String(decoding: try BoundedFile.read(staged, limit: 100_000), as: UTF8.self)
            try AtomicFile.write(Array(text.replacing("\"threshold\": 2", with: "\"threshold\": 1").utf8), to: staged)
            let signed = await ben.signs("fleet", "sign", staged)
            #expect(signed.status == 1)
            #expect(signed.output.contains("threshold"))
            #expect(signed.errors.contains("keys or roles of root change: give --allow-change"), "\(signed.all)")
        }
    }

    @Test("after its service was stolen a fleet names the keys of the new one, which clients then follow")
    func rotatesServiceKeys() async throws {
        try await Workshop.fleet { workshop, ada in
            workshop.service.with { $0.name = "second" }
            try workshop.service.freshen()
            #expect(throws: TUFTrustError.self) { try pinnedClient(workshop, at: FakeService.time) }
            let unasked = await ada.signs("fleet", "renew", "--rotate-service-keys")
            #expect(unasked.status == 2)
            #expect(unasked.output.contains(Hex.encode(TestKey("second-manifest").publicKey)))
            #expect(workshop.service.with { $0.files["metadata/2.root.json"] == nil })
            let rotated = await ada.signs("fleet", "renew", "--rotate-service-keys", "--yes")
            #expect(rotated.status == 0, "\(rotated.all)")
            let trusted = try pinnedClient(workshop, at: FakeService.time)
            #expect(
                trusted.root.roleKeys(.timestamp).keys.values.map(\.ed25519) == [TestKey("second-timestamp").publicKey]
            )
            let manifest = try #require(trusted.roleKeys(delegated: "manifest"))
            #expect(manifest.keys.values.map(\.ed25519) == [TestKey("second-manifest").publicKey])
            #expect(trusted.root.keys.count == 3)
            #expect(trusted.root.roleKeys(.root).keys == (try root(workshop, 1)).roleKeys(.root).keys)
        }
    }

    private func root(_ workshop: Workshop, _ version: Int) throws -> Root {
        let bytes = workshop.service.with { $0.files["metadata/\(version).root.json"] ?? [] }
        return try Root(SignedEnvelope(parsing: bytes, limit: 512_000))
    }

    /// What a client trusts that knows only the fleet's first root.
    private func pinnedClient(_ workshop: Workshop, at time: UTCTime) throws -> TrustedMetadata {
        let files = workshop.service.with { $0.files }
        let (freshness, targets) = workshop.service.with { ($0.freshness, $0.versions["targets"] ?? 0) }
        func metadata(_ name: String) -> [UInt8] { files["metadata/" + name] ?? [] }
        var trusted = try TrustedMetadata(trustedRoot: metadata("1.root.json"), time: time)
        while let next = files["metadata/\(trusted.root.version + 1).root.json"] { try trusted.updateRoot(next) }
        try trusted.checkRootExpiry()
        _ = try trusted.updateTimestamp(metadata("timestamp.json"))
        _ = try trusted.updateSnapshot(metadata("\(freshness).snapshot.json"))
        try trusted.updateTargets(metadata("\(targets).targets.json"))
        return trusted
    }
}
