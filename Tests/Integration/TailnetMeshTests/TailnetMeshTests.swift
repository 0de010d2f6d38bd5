import CanonicalJSON
import MusterSystem
import MusterTestSupport
import Testing

/// Real musterd, muster, muster-agent, WireGuard, sshd and dpkg, each machine in a network namespace of its own.
///
/// What is checked is what a packet capture, an outsider's connection attempt and dpkg itself say, not what muster says.
@Suite(
    "A fleet on a WireGuard mesh",
    .enabled(
        if: MeshFixture.whyImpossible == nil,
        "no mesh of network namespaces here: \(MeshFixture.whyImpossible ?? "")"
    )
)
struct TailnetMeshTests {
    @Test("three nodes are enrolled and upgraded through the tunnels, and nothing of it passes beside them")
    func nothingBesideTheTunnels() async throws {
        let nodes = ["web-1", "web-2", "web-3"]
        try await MeshFixture.run([MeshFleet.service, MeshFleet.desk] + nodes) { mesh in
            let capture = try await mesh.capture()
            try await MeshFleet.run(on: mesh, nodes: nodes) { whole in
                try await whole.upgrade(to: "1.0", nodes)
                for name in nodes { try await Self.expectInList(name, whole) }
            }
            try await Self.expectSight(of: capture, mesh)
            let strays = try await capture.packets("\(Self.notWireGuard) and not (\(Self.ofTheTest))")
            #expect(strays.isEmpty, "beside the tunnels")
            #expect(try await !capture.holds("HTTP/1.1"), "readable in the capture")
            for name in [MeshFleet.desk] + nodes {
                let pair = try "host \(mesh.member(name).underlay) and host \(mesh.member(MeshFleet.service).underlay)"
                #expect(try await capture.packets("udp[8] = 4 and greater 200 and \(pair)").count > 10, "of \(name)")
            }
            await capture.end()
            #expect(capture.dropped == 0, "a capture with gaps proves nothing")
        }
    }

    /// The node list says who the node is in WireGuard, and when the two last shook hands.
    private static func expectInList(_ name: String, _ whole: MeshFleet) async throws {
        let id = JSONValue.string("wireguard-key:" + (try await whole.mesh.publicKey(name)))
        try await whole.wait("\(name) has shaken hands") {
            guard case .array(let items)? = try await whole.fleet.json(["node", "list"])["items"],
                let tailnet = items.first(where: { $0["name"] == .string(name) })?["tailnet"], tailnet["id"] == id,
                case .integer? = tailnet["last_handshake"]
            else { return false }
            return true
        }
    }

    /// Sends something beside the tunnels, and sees it in the capture, which has everything before it, too, by then.
    private static func expectSight(of capture: PacketCapture, _ mesh: MeshFixture) async throws {
        let node = try mesh.member("web-1").namespace
        let service = try mesh.member(MeshFleet.service).underlay
        #expect(try await node.request(at: service, port: 9) == .refused)
        let text = "seen by \(service)"
        try await node.succeed("/bin/bash", ["-c", "echo \"$1\" > /dev/udp/$0/9", service, text])
        var isSeen = false
        for _ in 0..<600 {
            isSeen = try await capture.holds(text)
            if isSeen { break }
            try await Task.sleep(for: .milliseconds(100))
        }
        #expect(isSeen)
        #expect(try await capture.packets("\(notWireGuard) and (\(ofTheTest))").count >= 3)
    }

    /// What `expectSight` sends, and the answers.
    private static let ofTheTest = "port 9 or icmp[icmptype] = icmp-unreach"

    /// Everything but WireGuard's four kinds of message between its own ports, and the questions for addresses on the cable
    /// that come before them.
    private static let notWireGuard = """
        not arp and not (udp and src port \(MeshFixture.port) and dst port \(MeshFixture.port) \
        and udp[8] >= 1 and udp[8] <= 4 and udp[9] = 0 and udp[10:2] = 0)
        """

    @Test("a peer that was removed is cut off, holds up nobody, and comes back by itself when it is added again")
    func removedPeer() async throws {
        try await MeshFleet.run(nodes: ["web-1", "web-2"]) { whole in
            #expect(try await whole.ask(from: "web-2").status == 200)
            try await whole.mesh.remove("web-2", from: MeshFleet.service)
            #expect(try await whole.ask(from: "web-2", timeout: .seconds(3)) == .silent)
            #expect(try await whole.ask(from: "web-1").status == 200)
            try await whole.wait("web-2 is offline") {
                try await whole.fleet.muster(["node", "list", "--state", "offline"]).contains("web-2 ")
            }
            let rollout = try await whole.start("1.0", ["--start-deadline", "2s"])
            try await whole.fleet.wait(for: rollout) { Self.states($0) == ["confirmed", "skipped"] }
            try await whole.expect("1.0", on: "web-1")
            try await whole.expect("", on: "web-2")
            try await whole.mesh.add("web-2", to: MeshFleet.service)
            try await whole.fleet.wait(for: rollout) { $0["state"] == "complete" }
            try await whole.expect("1.0", on: "web-2")
        }
    }

    @Test(
        "a tunnel cut in the middle of an upgrade: the node puts the old version back by itself, and goes on once healed"
    )
    func cutTunnel() async throws {
        try await MeshFleet.run(nodes: ["web-1"]) { whole in
            try await whole.upgrade(to: "1.0", ["web-1"])
            let begun = whole.fleet.folder.file("begun")
            let cut = whole.fleet.folder.file("cut")
            // The health check runs after the installation: it waits until the tunnel is cut, and passes.
            let script = "touch \(begun); while [ ! -e \(cut) ]; do sleep 0.1; done"
            try await whole.release("2.0", health: "/bin/sh -c '\(script)'")
            let rollout = try await whole.start("2.0")
            try await whole.wait("2.0 is installed") { Directory.exists(begun) }
            try await whole.expect("2.0", on: "web-1")
            try await whole.mesh.unplug("web-1")
            try whole.fleet.folder.write("cut", [])
            try await whole.wait("1.0 is back") {
                try await whole.fleet.installed(MeshFleet.package, on: "web-1") == "1.0"
            }
            #expect(try await whole.ask(from: "web-1", timeout: .seconds(1)) == .silent, "it was healed too early")
            try await whole.mesh.plug("web-1")
            try await whole.fleet.wait(for: rollout) { Self.states($0) == ["rolled-back"] }
            let story = try await whole.fleet.muster(["rollout", "show", rollout])
            #expect(story.contains("the service was not reached within \(MeshFleet.confirmSeconds) seconds"))
            try await whole.release("3.0")
            try await whole.upgrade(to: "3.0", ["web-1"])
        }
    }

    static func states(_ rollout: JSONValue) -> [String] {
        guard case .array(let nodes)? = rollout["nodes"] else { return [] }
        return nodes.compactMap { if case .string(let state)? = $0["state"] { state } else { nil } }.sorted()
    }
}
