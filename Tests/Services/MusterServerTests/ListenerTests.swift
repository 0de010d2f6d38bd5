import ByteCoding
import Glibc
import Logging
import MusterClient
import MusterSystem
import MusterTestSupport
import Tailnet
import Testing

@testable import MusterServer

@Suite("Where the service listens")
struct ListenerTests {
    private static let own = ["100.64.7.1", "fd7a:115c:a1e0::701"]

    private static func plan(
        _ asked: [String],
        own: [String] = ListenerTests.own,
        usesTLS: Bool = false
    ) throws -> [String] {
        try ListenPlan.addresses(asked: asked, port: 8470, own: own, usesTLS: usesTLS).map(\.description)
    }

    @Test("Unless told otherwise it listens on loopback and on its own tailnet addresses, port 8470")
    func standard() throws {
        #expect(
            try Self.plan([]) == ["127.0.0.1:8470", "100.64.7.1:8470", "[fd7a:115c:a1e0::701]:8470"]
        )
        #expect(try Self.plan([], own: []) == ["127.0.0.1:8470"])
    }

    @Test("What is no numeric address with a port is refused")
    func forms() {
        for text in [
            "", "localhost:80", "127.0.0.1", "127.0.0.1:99999", "[::1:80", "1.2.3:80", "127.0.0.1:-1", "::1:80",
            "0x7f000001:80", "127.1:80", "fe80::1%eth0:80", "[127.0.0.1]x:80",
        ] {
            #expect(ListenAddress(text) == nil, "\(text)")
        }
        #expect(ListenAddress("[::1]:0") != nil)
    }

    @Test(
        "Without TLS an address that is neither loopback nor this machine's on the tailnet is refused",
        arguments: [
            "0.0.0.0:80", "[::]:80", "192.168.0.1:80", "[::ffff:192.168.0.1]:80", "100.63.0.1:80", "8.8.8.8:80",
            "[fd7a::1]:80",
        ]
    )
    func elsewhere(_ address: String) {
        #expect(throws: SystemError.self) { try Self.plan([address]) }
        #expect(throws: SystemError.self) { try Self.plan(["127.0.0.1:80", address]) }
        #expect(throws: Never.self) { try Self.plan([address], usesTLS: true) }
    }

    @Test("An address that only looks like a tailnet's, as a carrier's NAT gives out, is refused")
    func lookalike() {
        for address in ["100.64.7.2:80", "100.127.255.255:80", "[fd7a:115c:a1e0::702]:80"] {
            #expect(throws: SystemError.self, "\(address)") { try Self.plan([address]) }
            #expect(throws: SystemError.self, "\(address)") { try Self.plan([address], own: []) }
        }
        #expect(throws: Never.self) { try Self.plan(["100.64.7.1:80", "[FD7A:115C:A1E0:0::701]:80"]) }
    }

    @Test("A public address without TLS keeps the service from starting, before it touches anything")
    func publicAddress() async throws {
        let folder = try TemporaryFolder()
        await #expect(throws: SystemError.self) {
            var options = ServeOptions()
            options.stateDirectory = folder.file("never")
            options.listen = ["0.0.0.0:0"]
            _ = try await FleetServer(options, log: Logger(label: "test")) { _ in }
        }
        #expect(!Directory.exists(folder.file("never")))
    }

    @Test("A tailnet that does not answer keeps the service from starting, rather than on loopback alone")
    func silentTailnet() async throws {
        let folder = try TemporaryFolder()
        await #expect(throws: TailnetError.self) {
            var options = ServeOptions()
            options.stateDirectory = folder.file("never")
            options.tailnet = .tailscale(socket: folder.file("no.sock"))
            options.tailnetPatience = .zero
            _ = try await FleetServer(options, log: Logger(label: "test")) { _ in }
        }
        #expect(!Directory.exists(folder.file("never")))
    }

    @Test("A tailnet that comes up a moment later is waited for")
    func lateTailnet() async throws {
        try await LocalAPIStandIn.run { tailscaled in
            tailscaled.setBackend("Starting")
            tailscaled.setOwn { $0.addresses = ["127.0.0.1"] }
            let late = Task {
                try await Task.sleep(for: .milliseconds(700))
                tailscaled.setBackend("Running")
            }
            try await ServerFixture.run(
                withFleet: false,
                options: { options in
                    options.tailnet = .tailscale(socket: tailscaled.socket)
                    options.listen = []
                    options.port = 0
                }
            ) { fixture in
                #expect(fixture.server.service.gate.ownIdentity?.name == "musterd.example.ts.net")
            }
            try await late.value
        }
    }

    @Test("From another address of this machine nobody can connect, and no socket listens beside loopback")
    func fromOutside() async throws {
        let folder = try TemporaryFolder()
        let program = try RunningProgram(
            try BuiltProgram("musterd").path,
            ["serve", "--state-dir", folder.file("service"), "--listen", "127.0.0.1:0", "--tailnet", "none"],
            log: folder.file("log")
        )
        var port: UInt16?
        for _ in 0..<1200 where port == nil {
            try await Task.sleep(for: .milliseconds(50))
            let line = program.output.split(separator: "\n").first { $0.contains("listening on ") }
            port = line?.split(separator: ":").last.flatMap { UInt16($0) }
        }
        let found = try #require(port, "\(program.output)")
        let sockets = ListeningSocket.all().filter { $0.port == found }
        var reached: [String] = []
        for address in try Self.otherAddresses() {
            let probe: ()? = try? await TCPProbe.connect(host: address, port: found, timeout: .seconds(2))
            if probe != nil { reached.append(address) }
        }
        await program.end()
        #expect(sockets.map(\.address) == ["127.0.0.1"])
        #expect(reached.isEmpty)
    }

    /// This machine's addresses but loopback's.
    private static func otherAddresses() throws -> [String] {
        try Directory.entries("/sys/class/net").filter { $0 != "lo" }.flatMap { try InterfaceAddresses.of($0) }
    }

    @Test("The program refuses to listen anywhere without TLS, and says which addresses it may have")
    func program() async throws {
        let folder = try TemporaryFolder()
        let tailnet = try folder.write(
            "tailnet.json",
            #"{"self": {"id": "me", "name": "muster.lan", "addresses": ["127.0.5.1"]}, "nodes": []}"#.utf8
        )
        let status = try await RunningProgram.run(
            try BuiltProgram("musterd").path,
            [
                "serve", "--state-dir", folder.file("service"), "--listen", "0.0.0.0:0", "--tailnet",
                "static:\(tailnet)",
            ],
            log: folder.file("log")
        )
        #expect(status == 1)
        let said = String(decoding: try folder.read("log") ?? [], as: UTF8.self)
        #expect(said.contains("127.0.5.1") && said.contains("--tls-certificate"), "\(said)")
    }

    @Test("The program finds its name and its addresses by tailscaled, and says them")
    func tailscale() async throws {
        try await LocalAPIStandIn.run { tailscaled async throws in
            tailscaled.setOwn { $0.addresses = ["127.0.5.1"] }
            let folder = try TemporaryFolder()
            let program = try RunningProgram(
                try BuiltProgram("musterd").path,
                [
                    "serve", "--state-dir", folder.file("service"), "--tailnet", "tailscale:\(tailscaled.socket)",
                    "--port", "0",
                ],
                log: folder.file("log")
            )
            for _ in 0..<1200 where !program.output.contains("muster fleet init") {
                try await Task.sleep(for: .milliseconds(50))
            }
            await program.end()
            let said = program.output
            #expect(said.contains("musterd: on the tailnet this is musterd.example.ts.net\n"), "\(said)")
            #expect(said.contains("musterd: listening on http://127.0.0.1:"), "\(said)")
            #expect(said.contains("musterd: listening on http://127.0.5.1:"), "\(said)")
            #expect(said.contains("muster fleet init --service http://"), "\(said)")
        }
    }

    @Test("On start it says its tailnet name, where it listens, and the one line to run")
    func greeting() {
        let own = TailnetIdentity(id: "n1", name: "muster.example.ts.net", addresses: Self.own)
        let urls = ["http://127.0.0.1:8470", "http://100.64.7.1:8470", "http://[fd7a:115c:a1e0::701]:8470"]
        let fleet = String(repeating: "ab", count: 32)
        let lines = Greeting(urls: urls, own: own, fleet: fleet).lines
        #expect(lines.contains("musterd: on the tailnet this is muster.example.ts.net"))
        #expect(
            lines.contains(
                "musterd: on each node run: muster-agent enroll --service http://muster.example.ts.net:8470 --fleet \(fleet)"
            )
        )
        #expect(urls.allSatisfy { url in lines.contains("musterd: listening on \(url)") })
        let nameless = TailnetIdentity(id: "wireguard-key:x", addresses: Self.own)
        #expect(Greeting(urls: urls, own: nameless, fleet: fleet).url == "http://100.64.7.1:8470")
        #expect(Greeting(urls: urls.reversed(), own: nil, fleet: nil).url == "http://[fd7a:115c:a1e0::701]:8470")
        let alone = Greeting(urls: ["http://127.0.0.1:8470"], own: nil, fleet: nil)
        #expect(alone.lines.last?.hasSuffix("muster fleet init --service http://127.0.0.1:8470") == true)
    }

    @Test("The forms of --tailnet are told apart, and no name of an interface can be an option of wg")
    func options() {
        #expect(TailnetOption("auto") == .automatic)
        #expect(TailnetOption("none") == TailnetOption.none)
        #expect(TailnetOption("tailscale") == .tailscale(socket: TailscaleLocalAPI.standardSocket))
        #expect(TailnetOption("tailscale:/run/x.sock") == .tailscale(socket: "/run/x.sock"))
        #expect(TailnetOption("wireguard:wg0") == .wireGuard(interface: "wg0"))
        #expect(TailnetOption("static:/etc/tailnet.json") == .file("/etc/tailnet.json"))
        for text in [
            "", "Auto", "tailscale:", "tailscale:relative", "wireguard", "wireguard:", "wireguard:all",
            "wireguard:--help", "wireguard:a b", "wireguard:0123456789abcdef", "static:", "none:x",
        ] {
            #expect(TailnetOption(text) == nil, "\(text)")
        }
        #expect(TailnetOption.automatic.source(names: { [:] }, socketExists: { _ in false }) == nil)
        #expect(TailnetOption.automatic.source(names: { [:] }, socketExists: { _ in true }) != nil)
    }
}
