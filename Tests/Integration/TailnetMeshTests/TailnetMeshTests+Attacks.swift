import MusterSystem
import MusterTestSupport
import Testing

extension TailnetMeshTests {
    @Test("spoofed address inside the tunnel: WireGuard drops what a node sends as another one")
    func spoofedInside() async throws {
        try await MeshFleet.run(nodes: ["web-1", "web-2"]) { whole in
            let service = try whole.mesh.member(MeshFleet.service)
            let victim = try whole.mesh.member("web-1")
            let thief = try whole.mesh.member("web-2")
            await whole.fleet.stopAgent("web-1")
            let sent = try await whole.mesh.capture(thief.interface, in: thief.namespace)
            let arrived = try await whole.mesh.capture(service.interface, in: service.namespace)
            let address = "\(victim.address)/32 dev \(thief.interface)"
            let route = "\(service.address)/32 dev \(thief.interface) src \(victim.address)"
            try await thief.namespace.configure(["address add \(address)", "route add \(route)"])
            #expect(try await whole.ask(from: "web-2", timeout: .seconds(3)) == .silent)
            let attempt = "tcp[tcpflags] & tcp-syn != 0 and src host \(victim.address) and dst host \(service.address)"
            try await whole.wait("the spoofed packets are sent") { try await !sent.packets(attempt).isEmpty }
            try await thief.namespace.configure(["route delete \(route)", "address delete \(address)"])
            #expect(try await whole.ask(from: "web-2").status == 200)
            let honest = "tcp[tcpflags] & tcp-syn != 0 and src host \(thief.address) and dst host \(service.address)"
            try await whole.wait("the honest packets have arrived") { try await !arrived.packets(honest).isEmpty }
            #expect(try await arrived.packets(attempt).isEmpty)
        }
    }

    @Test("stolen node key: it opens no session from another node's address, and a stolen session is refused there")
    func stolenNodeKey() async throws {
        try await MeshFleet.run(nodes: ["web-1", "web-2"]) { whole in
            let owner = try NodeVoice(of: "web-1", from: "web-1", whole)
            let thief = try NodeVoice(of: "web-1", from: "web-2", whole)
            let refused = try await thief.session()
            #expect(refused.token == nil)
            #expect(refused.answer.status == 403, "\(refused.answer)")
            let token = try #require(try await owner.session().token)
            #expect(try await thief.poll(token).status == 403)
        }
    }

    @Test("outsider on the cable: the tunnel's address is of no use to one who is not on the tailnet")
    func outsider() async throws {
        try await MeshFleet.run(nodes: ["web-1"], outsiders: ["outsider"]) { whole in
            let service = try whole.mesh.member(MeshFleet.service)
            let outsider = try whole.mesh.member("outsider")
            try await outsider.namespace.configure(["route add \(service.address)/32 via \(service.underlay)"])
            for path in ["/healthz", "/v1/service", "/tuf/metadata/1.root.json", "/v1/enroll/statement", "/v1/nodes"] {
                let answer = try await whole.ask(from: "outsider", path, timeout: .seconds(3))
                #expect([.refused, .silent].contains(answer) || answer.status == 403, "\(path) \(answer)")
            }
            let voice = try NodeVoice(of: "web-1", from: "outsider", whole)
            #expect(try await voice.session().token == nil, "with a stolen node key")

            // As web-1: the answers go to web-1 through its tunnel, so that no connection comes about.
            let victim = try whole.mesh.member("web-1")
            try await outsider.namespace.configure([
                "address add \(victim.address)/32 dev eth0",
                "route replace \(service.address)/32 via \(service.underlay) src \(victim.address)",
            ])
            let capture = try await whole.mesh.capture()
            #expect(try await whole.ask(from: "outsider", timeout: .seconds(3)) == .silent)
            let spoofed = "src host \(victim.address) and dst host \(service.address)"
            try await whole.wait("the spoofed packets are sent") { try await !capture.packets(spoofed).isEmpty }
            #expect(try await whole.ask(from: "web-1").status == 200)
        }
    }
}
