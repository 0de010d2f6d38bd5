import CanonicalJSON
import MusterSystem
import MusterTestSupport
import Testing

extension TailnetMeshTests {
    @Test(
        "a WireGuard key rotated under a live long poll and a live SSH session: both nodes stay, the old session does not"
    )
    func rotatedKey() async throws {
        try await MeshFleet.run(nodes: ["web-1", "web-2"]) { whole in
            let mesh = whole.mesh
            try await LiveShell.run(from: mesh.member(MeshFleet.desk), to: mesh.member("web-1")) { shell in
                try await shell.echo()
                await whole.fleet.stopAgent("web-1")
                let voice = try NodeVoice(of: "web-1", from: "web-1", whole)
                let token = try #require(try await voice.session().token)
                // web-1 is polled for by hand, to see the answer; web-2 by its agent.
                async let poll = voice.wait(token)
                try await whole.wait("the poll hangs") { try await Self.connections(from: "web-1", whole) == 1 }
                try await Task.sleep(for: .seconds(1))
                #expect(
                    try await Self.connections(from: "web-1", whole) == 1,
                    "the long poll ended before the rotation"
                )

                let first = try await mesh.rotateKey(of: "web-1")
                let second = try await mesh.rotateKey(of: "web-2")
                try await shell.echo()
                try await whole.fleet.startAgent("web-1")
                try await whole.wait("both rotations are in the events") {
                    try await whole.events("node-tailnet-key-rotated").count >= 2
                }
                let events = try await whole.events("node-tailnet-key-rotated").map(\.prettyText)
                for keys in [first, second] {
                    #expect(events.contains { $0.contains(keys.old) && $0.contains(keys.new) })
                }
                try await shell.echo()

                try await whole.upgrade(to: "1.0", ["web-1", "web-2"])
                #expect(try await poll.status == 401, "the poll of the session that hung on the old key")
                #expect(try await voice.poll(token).status == 401, "the session that hung on the old key")
                #expect(try await whole.events("node-tailnet-key-rotated").count == 2)
                try await shell.echo()
            }
        }
    }

    /// How many connections to the service a machine has.
    private static func connections(from name: String, _ whole: MeshFleet) async throws -> Int {
        let address = try whole.mesh.member(MeshFleet.service).address
        let filter = ["-H", "-t", "-n", "state", "established", "dst", "\(address):\(MeshFleet.port)"]
        return try await whole.mesh.member(name).namespace.succeed("/usr/bin/ss", filter).split(separator: "\n").count
    }
}
