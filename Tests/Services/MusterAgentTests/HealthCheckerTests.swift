import CanonicalJSON
import Glibc
import MusterAgent
import MusterClient
import MusterModel
import MusterTestSupport
import Synchronization
import Testing

/// Health checks against servers that answer, refuse and hang.
@Suite(.timeLimit(.minutes(60))) struct HealthCheckerTests {
    private static func run(_ probe: HealthCheck.Probe, attempts: Int = 1) async throws -> HealthResult {
        let transport = try HTTPTransport()
        var clock = AgentClock.system
        clock.sleep = { _ throws(CancellationError) in }
        let checker = HealthChecker(root: "/", transport: transport, clock: clock)
        let result = await checker.run([HealthCheck(probe: probe, timeoutSeconds: 1, attempts: attempts)])
        await transport.close()
        return result
    }

    private static func reason(_ result: HealthResult) -> String {
        if case .failed(let reason) = result { reason } else { "" }
    }

    /// A listening socket of this process that accepts nothing by itself.
    private struct BareSocket: ~Copyable {
        let descriptor: Int32
        let port: Int

        init(backlog: Int32) throws {
            descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let descriptor = descriptor
            let isBound = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    bind(descriptor, address, length) == 0 && listen(descriptor, backlog) == 0
                        && getsockname(descriptor, address, &length) == 0
                }
            }
            port = Int(UInt16(bigEndian: address.sin_port))
            guard isBound else { throw EnrollmentError("no socket") }
        }

        /// Connects without waiting; the connection lasts until the descriptor is closed.
        func client() -> Int32 {
            let kind =
                Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
            let client = socket(AF_INET, kind, 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            address.sin_port = UInt16(port).bigEndian
            withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    _ = connect(client, address, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            return client
        }

        deinit { close(descriptor) }
    }

    /// A systemctl that prints one more line of `answers` with each call, the last one again and again.
    private static func unit(_ answers: [String], name: String = "probe.service") async throws -> HealthResult {
        let folder = try TemporaryFolder()
        let lines = answers.joined(separator: "\n") + "\n"
        let file = try folder.write("answers", lines.utf8)
        let script = """
            #!/bin/sh
            [ "$*" = "show --property=ActiveState,InvocationID -- \(name)" ] || exit 9
            head -1 \(file) | tr ' ' '\\n'
            [ $(wc -l < \(file)) -gt 1 ] && sed -i 1d \(file)
            exit 0
            """
        let systemctl = try folder.write("systemctl", script.utf8)
        chmod(systemctl, 0o755)
        let transport = try HTTPTransport()
        var clock = AgentClock.system
        clock.sleep = { _ throws(CancellationError) in }
        let units = UnitProbe(sign: folder.path, systemctl: systemctl)
        let checker = HealthChecker(root: "/", transport: transport, units: units, clock: clock)
        let result = await checker.run([HealthCheck(probe: .unit(name), timeoutSeconds: 60, attempts: 2)])
        await transport.close()
        return result
    }

    @Test("an active unit passes, also where it has become so after a failed attempt")
    func activeUnit() async throws {
        let active = "ActiveState=active InvocationID=1"
        #expect(try await Self.unit([active]) == .passed)
        #expect(try await Self.unit(["ActiveState=activating InvocationID=1", active]) == .passed)
    }

    @Test("a unit that is not active, or that keeps crashing and being started, fails with what it is")
    func otherUnit() async throws {
        #expect(
            Self.reason(try await Self.unit(["ActiveState=failed InvocationID="])).hasPrefix(
                "unit probe.service is failed"
            )
        )
        let restarts = (1...9).map { "ActiveState=active InvocationID=\($0)" }
        #expect(Self.reason(try await Self.unit(restarts)).contains("was started again within a second"))
        let stops = ["ActiveState=active InvocationID=1", "ActiveState=failed InvocationID=1"]
        #expect(Self.reason(try await Self.unit(stops)).hasPrefix("unit probe.service is failed"))
        #expect(Self.reason(try await Self.unit([""])).hasPrefix("unit probe.service is unknown"))
    }

    @Test("where systemd does not run the machine, a unit is not asked for, and that is said")
    func noSystemd() async throws {
        let transport = try HTTPTransport()
        let units = UnitProbe(sign: "/no/such/folder", systemctl: "/bin/false")
        let checker = HealthChecker(root: "/", transport: transport, units: units, clock: .system)
        let checks = [
            HealthCheck(probe: .unit("probe.service")), HealthCheck(probe: .command(["true"]), timeoutSeconds: 60),
        ]
        let words = "unit probe.service was not asked for: systemd does not run this machine"
        #expect(await checker.run(checks) == .passedAsFar([words]))
        let failing = checks + [HealthCheck(probe: .command(["false"]), timeoutSeconds: 60, attempts: 1)]
        #expect(Self.reason(await checker.run(failing)).hasPrefix("command false"))
        await transport.close()
    }

    @Test("a check that this agent does not know fails, whatever else passes")
    func unknownCheck() async throws {
        let value: JSONValue = ["dns": "example.org", "attempts": 1]
        let check = try HealthCheck(try JSONFields(value))
        #expect(check.json == value)
        let reason = Self.reason(try await Self.run(check.probe))
        #expect(reason.hasPrefix("the check 'dns' is not known to this agent"))
    }

    @Test("a TCP port that accepts passes, though nothing is ever said")
    func tcpAccepts() async throws {
        let listener = try BareSocket(backlog: 8)
        #expect(try await Self.run(.tcp(host: "127.0.0.1", port: listener.port)) == .passed)
    }

    @Test("a TCP port where nothing listens fails and says so")
    func tcpRefuses() async throws {
        let port: Int
        do {
            let listener = try BareSocket(backlog: 8)
            port = listener.port
        }
        let reason = Self.reason(try await Self.run(.tcp(host: "127.0.0.1", port: port), attempts: 2))
        #expect(reason.contains("127.0.0.1:\(port): connection refused"))
        #expect(reason.contains("2 attempts"))
    }

    @Test("a TCP port whose queue is full hangs no longer than its deadline")
    func tcpHangs() async throws {
        let listener = try BareSocket(backlog: 0)
        let clients = (0..<8).map { _ in listener.client() }
        defer { for client in clients { close(client) } }
        let reason = Self.reason(try await Self.run(.tcp(host: "127.0.0.1", port: listener.port)))
        #expect(reason.contains("timed out"))
    }

    @Test(
        "over HTTP any 2xx passes, and what is no 2xx fails with its status",
        arguments: [200, 204, 299, 301, 404, 503]
    )
    func http(status: Int) async throws {
        try await LoopbackServer.run { _ in
            .init(status)
        } _: { server in
            let result = try await Self.run(.http(server.address + "/health"))
            if (200...299).contains(status) {
                #expect(result == .passed)
            } else {
                #expect(Self.reason(result).contains("status \(status)"))
            }
        }
    }

    @Test("an HTTP server that never answers hangs no longer than its deadline")
    func httpHangs() async throws {
        try await LoopbackServer.run { _ in
            try? await Task.sleep(for: .seconds(3600))
            return .init(200)
        } _: { server in
            let reason = Self.reason(try await Self.run(.http(server.address)))
            #expect(reason.contains("does not answer"))
        }
    }

    @Test("a check that passes in a later attempt passes")
    func laterAttempt() async throws {
        let calls = Mutex(0)
        try await LoopbackServer.run { _ in
            let count = calls.withLock { calls in
                calls += 1
                return calls
            }
            return .init(count < 3 ? 503 : 200)
        } _: { server in
            let result = try await Self.run(.http(server.address), attempts: 3)
            #expect(result == .passed)
        }
        #expect(calls.withLock { $0 } == 3)
    }
}
