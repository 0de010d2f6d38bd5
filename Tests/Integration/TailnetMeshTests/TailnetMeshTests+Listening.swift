import MusterSystem
import MusterTestSupport
import Testing

extension TailnetMeshTests {
    @Test("seen from outside, the service listens on no address but loopback and the tailnet, unless it speaks TLS")
    func listensOnTheTailnetAlone() async throws {
        try await MeshFleet.run(nodes: [], outsiders: ["outsider"]) { whole in
            let service = try whole.mesh.member(MeshFleet.service)
            let outsider = try whole.mesh.member("outsider")
            let sockets = service.namespace.listeningSockets
            #expect(sockets.contains { $0.address == service.address && Int($0.port) == MeshFleet.port }, "\(sockets)")
            #expect(sockets.allSatisfy { Self.isPrivate($0, service) }, "\(sockets)")
            for port in Set(sockets.map { Int($0.port) }) {
                #expect(try await outsider.namespace.request(at: service.underlay, port: port) == .refused)
            }
            #expect(try await whole.ask(from: MeshFleet.desk).status == 200)

            let open = ["--listen", "\(service.underlay):9443"]
            let plain = try await Self.musterd(open, whole)
            #expect(await plain.exit(within: .seconds(60)) == 1)
            #expect(plain.output.contains("--tls-certificate"), "\(plain.output)")
            #expect(service.namespace.listeningSockets == sockets)

            let encrypted = try await Self.musterd(open + Self.certificate(whole), whole)
            try await whole.wait("it listens on the cable") { service.namespace.listeningSockets.count > sockets.count }
            let answer = try await outsider.namespace.request(at: service.underlay, port: 9443)
            guard case .connected = answer else {
                throw RunningProgram.Failure("the outsider cannot reach what is open: \(answer)\n\(encrypted.output)")
            }
        }
    }

    private static func isPrivate(_ socket: ListeningSocket, _ service: MeshFixture.Member) -> Bool {
        socket.address.hasPrefix("127.") || ["0:0:0:0:0:0:0:1", service.address].contains(socket.address)
    }

    /// A second musterd on the service's machine; it ends with the mesh.
    private static func musterd(_ options: [String], _ whole: MeshFleet) async throws -> RunningProgram {
        let service = try whole.mesh.member(MeshFleet.service)
        return try service.namespace.start(
            try BuiltProgram("musterd").path,
            ["serve", "--state-dir", whole.fleet.folder.file("second-service"), "--tailnet"]
                + ["wireguard:\(service.interface)"] + options,
            log: whole.fleet.folder.file("second-musterd.log")
        )
    }

    private static func certificate(_ whole: MeshFleet) async throws -> [String] {
        let key = whole.fleet.folder.file("tls.key")
        let certificate = whole.fleet.folder.file("tls.pem")
        let options = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        let made = try await Command(
            "/usr/bin/openssl",
            options + ["-subj", "/CN=service", "-keyout", key, "-out", certificate]
        ).run(timeout: .seconds(120))
        guard made.succeeded else { throw RunningProgram.Failure("openssl \(made.endingText): \(made.errorText)") }
        return ["--tls-certificate", certificate, "--tls-key", key]
    }
}
