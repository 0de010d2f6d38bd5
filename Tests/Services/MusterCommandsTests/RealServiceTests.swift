import ByteCoding
import CanonicalJSON
import MusterCommands
import MusterModel
import MusterSystem
import Testing

/// The command line against the real fleet service.
@Suite
struct RealServiceTests {
    @Test("a fleet is made, two release managers publish, a second operator is let in")
    func wholeLife() async throws {
        try await Workshop.real { workshop in
            let ada = try await workshop.person("ada")
            try await ada.makesFleet(["--release-keys", "2", "--release-threshold", "2"])
            let ben = try await workshop.person("ben")
            try await ben.joins(takingFrom: ada, key: "release-2.key")
            try await release(workshop, ada, ben)
            try await letIn(ben, ada)

            let node = await ben.muster("enroll", "token", "--tag", "web")
            #expect(node.status == 0, "\(node.all)")
            #expect(EnrollmentToken(line: node.output) != nil)
            let list = await ben.muster("node", "list", "--json")
            #expect(list.output == "{\n \"items\": []\n}\n", "\(list.all)")
            let events = await ada.muster("events")
            #expect(events.output.contains("fleet-created"), "\(events.all)")
            #expect(events.output.contains("metadata-published ada"))
        }
    }

    @Test("a set-up token works once")
    func tokenWorksOnce() async throws {
        try await Workshop.real { workshop in
            try await workshop.person("ada").makesFleet([])
            let eve = try await workshop.person("eve")
            await #expect(throws: Workshop.Failure.self) { try await eve.makesFleet([]) }
            #expect(!Directory.exists(eve.folder.path + "/keys"))
        }
    }

    private func release(_ workshop: Workshop, _ ada: Person, _ ben: Person) async throws {
        let package = try await workshop.package("hello", "1.0")
        let staged = ada.folder.path + "/staged/releases-2.json"
        #expect(await ada.signs("release", "add", package).status == 0)
        let signed = await ben.signs("release", "sign", staged)
        #expect(signed.output.contains("signed by 2 of 2 needed"), "\(signed.all)")
        let published = await ada.muster("release", "publish", staged)
        #expect(published.status == 0, "\(published.all)")
        let verified = await ben.muster("verify", package)
        #expect(verified.status == 0, "\(verified.all)")
    }

    /// Publishes a policy in which ben is an owner too.
    private func letIn(_ ben: Person, _ ada: Person) async throws {
        let file = ada.folder.path + "/fleet-policy.yaml"
        let key = try BoundedFile.read(ben.home + "/.ssh/id_ed25519.pub", limit: 4096)
        let words = String(decoding: key, as: UTF8.self).split(separator: " ").prefix(2).joined(separator: " ")
        let expires = WallClock.now().adding(seconds: 86400).wholeSeconds
        let text = String(decoding: try BoundedFile.read(file, limit: 100_000), as: UTF8.self)
            .replacing("groups:", with: "  ben: {keys: [{public_key: \(words), expires: \(expires)}]}\ngroups:")
            .replacing("owners: [ada]", with: "owners: [ada, ben]")
        try AtomicFile.write(Array(text.utf8), to: file)
        #expect(await ben.muster("node", "list").status == 1)
        let published = await ada.signs("policy", "publish", file)
        #expect(published.status == 0, "\(published.all)")
    }
}
