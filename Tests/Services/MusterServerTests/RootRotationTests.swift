import MusterClient
import MusterTestSupport
import TUF
import TUFTrust
import Testing

@testable import MusterServer

@Suite("New root keys")
struct RootRotationAtServiceTests {
    @Test("A root whose targets metadata has still to follow waits for it, and both are published together")
    func rotation() async throws {
        try await ServerFixture.run { fixture in
            let session = try await fixture.login()
            var next = fixture.fleet
            next.rootKeys = [TestKey("new-1"), TestKey("new-2")]
            next.rootVersion = 2
            next.targetsVersion = 2
            try next.publish()
            var root = try next.root()
            await expectProblem(422) {
                try await fixture.client.publish(role: "root", metadata: root.bytes, session: session)
            }
            for key in fixture.fleet.rootKeys.prefix(2) { root = try root.adding(key.sign(root)) }
            try await fixture.client.publish(role: "root", metadata: root.bytes, session: session)
            let repository = fixture.server.service.repository
            #expect(repository.current?.trusted.root.version == 1)
            await expectProblem(409) {
                try await fixture.client.publish(
                    role: "root",
                    metadata: try fixture.fleet.root().bytes,
                    session: session
                )
            }
            let targets = try #require(next.files["metadata/2.targets.json"])
            try await fixture.client.publish(role: "targets", metadata: targets, session: session)
            #expect(repository.current?.trusted.root.version == 2)
            #expect(repository.current?.trusted.targets?.version == 2)
            let served = try await fixture.client.transport.exchange(
                HTTPRequest(fixture.url + "/tuf/metadata/2.root.json")
            )
            #expect(served.body == root.bytes)
        }
    }
}
