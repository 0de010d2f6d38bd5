import ByteCoding
import Glibc
import MusterKeys
import MusterTestSupport
import OpenSSHFormats
import RemoteShell

/// One command on a hundred addresses of several real sshds: `RemoteShell` in a process of its own, and `pssh`, `clush` and
/// `ansible -m raw` from Debian, from the start of the program to its end.
///
/// All use the same key and certificate, ask nothing, and exchange keys by curve25519. Each peer is measured with its best
/// number of connections at once, which is looked for first; then all are measured in turn, and the medians compared.
struct FanOutBenchmark {
    let folder: String
    let program: String

    private static let goal = "at most half the best peer's time, and 1.3 of sshd's own CPU time divided by the cores"
    private static let addresses = 100
    private static let rounds = 3
    private static let widths = [4, 8, 16, 32, 100]

    /// What one run took.
    private struct Sample {
        /// From start to end, in seconds.
        let wall: Double
        /// What the sshds and their children used meanwhile, in seconds.
        let server: Double
        /// What the program and its children used, in seconds.
        let client: Double
    }

    /// Somebody who logs in everywhere and runs `true`.
    private struct Runner {
        let name: String
        var width = 0
        let arguments: (Int) -> [String]
        var environment: [String: String] = [:]
        var samples: [Sample] = []

        var median: Sample? {
            samples.isEmpty ? nil : samples.sorted { $0.wall < $1.wall }[samples.count / 2]
        }
    }

    func figure() async throws -> Figure {
        if let obstacle = SSHDFixture.obstacle { return unmeasured(obstacle) }
        chmod(folder, 0o711)
        var daemons: [SSHDFixture] = []
        do {
            daemons = try await start()
            try prepare(daemons)
            let figure = try measure(daemons)
            for daemon in daemons { await daemon.end() }
            return figure
        } catch {
            for daemon in daemons { await daemon.end() }
            throw error
        }
    }

    /// The part that is measured: `muster-benchmarks --fan-out FOLDER WINDOW`.
    static func logIn(_ folder: String, _ window: Int) async throws -> Int {
        var seed = TestKey("fan-out user").seed
        let line = try Child.read(folder + "/id-cert.pub").filter { $0 != "\n" }
        guard let key = Ed25519SecretKey(seed: SecretBytes(wiping: &seed)) else { return addresses }
        let identity = try RemoteIdentity(key, certificate: try SSHCertificate(line: line))
        let hostKey = try TestKey("host").ssh
        let shell = try RemoteShell(window: SessionWindow(logins: window, loginsPerMachine: window))
        let places = try Child.read(folder + "/places").split(separator: "\n").map { $0.split(separator: " ") }
        let failures = await withTaskGroup(of: Bool.self) { group in
            for place in places {
                group.addTask {
                    let host = RemoteHost(
                        address: String(place[0]),
                        port: UInt16(place[1]) ?? 0,
                        user: SSHDFixture.user,
                        hostKeys: [hostKey]
                    )
                    do {
                        let session = try await shell.connect(host, as: identity, timeout: .seconds(120))
                        return try await session.run(RemoteCommand("true")).status == .exited(0)
                    } catch {
                        print("\(error)")
                        return false
                    }
                }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 0 : 1 }
        }
        await shell.close()
        return failures
    }

    // MARK: - Setting up

    private func start() async throws -> [SSHDFixture] {
        let authority = folder + "/ca.pub"
        try BenchFleet.write(try TestKey("fan-out CA").ssh.line + "\n", authority)
        var daemons: [SSHDFixture] = []
        var left = Self.addresses
        while left > 0 {
            let own = (1...min(left, 15)).map { "127.77.\(daemons.count).\($0)" }
            left -= own.count
            let lines = own.map { "ListenAddress \($0)" } + ["TrustedUserCAKeys \(authority)"]
            daemons.append(try await SSHDFixture(in: folder + "/sshd-\(daemons.count)", lines: lines))
        }
        return daemons
    }

    private func prepare(_ daemons: [SSHDFixture]) throws {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let key = TestKey("fan-out user")
        var draft = CertificateDraft(
            try key.ssh,
            principals: [SSHDFixture.user],
            time: UTCTime(seconds: Int64(time.tv_sec))
        )
        draft.sourceAddress = nil
        draft.validBefore = draft.validBefore.adding(seconds: 86400)
        let certificate = try draft.signed(by: TestKey("fan-out CA"))
        try BenchFleet.write(String(decoding: try key.privateKeyFile, as: UTF8.self), folder + "/id")
        chmod(folder + "/id", 0o600)
        try BenchFleet.write(certificate.line + "\n", folder + "/id-cert.pub")
        var places: [(address: String, port: Int)] = []
        for (number, daemon) in daemons.enumerated() {
            let count = min(15, Self.addresses - number * 15)
            places += (1...count).map { ("127.77.\(number).\($0)", daemon.port) }
        }
        try BenchFleet.write(places.map { "\($0.address) \($0.port)\n" }.joined(), folder + "/places")
        try BenchFleet.write(places.map { "\($0.address)\n" }.joined(), folder + "/hosts")
        let ports = Dictionary(grouping: places, by: \.port).map { port, places in
            "Host \(places.map(\.address).joined(separator: " "))\n  Port \(port)\n"
        }
        let common = """
            Host *
              User \(SSHDFixture.user)
              IdentityFile \(folder)/id
              CertificateFile \(folder)/id-cert.pub
              IdentitiesOnly yes
              IdentityAgent none
              BatchMode yes
              StrictHostKeyChecking no
              UserKnownHostsFile /dev/null
              GlobalKnownHostsFile /dev/null
              UpdateHostKeys no
              KexAlgorithms curve25519-sha256
              HostKeyAlgorithms ssh-ed25519
              PreferredAuthentications publickey
              LogLevel ERROR

            """
        try BenchFleet.write(ports.joined() + common, folder + "/ssh_config")
    }

    private var runners: [Runner] {
        let hosts = folder + "/hosts"
        let options = "-F \(folder)/ssh_config"
        return [
            Runner(name: "RemoteShell") { [program, "--fan-out", folder, "\($0)"] },
            Runner(name: "pssh") { ["parallel-ssh", "-h", hosts, "-p", "\($0)", "-t", "0", "-x", options, "true"] },
            Runner(name: "clush") { ["clush", "--hostfile", hosts, "-f", "\($0)", "-S", "-o", options, "true"] },
            Runner(
                name: "ansible",
                arguments: { ["ansible", "all", "-i", hosts, "-m", "raw", "-a", "true", "-f", "\($0)"] },
                environment: [
                    "ANSIBLE_SSH_ARGS": options, "ANSIBLE_HOST_KEY_CHECKING": "False", "ANSIBLE_NOCOLOR": "1",
                    "ANSIBLE_LOCAL_TEMP": folder + "/ansible", "HOME": folder,
                ]
            ),
        ]
    }

    // MARK: - Measuring

    private func measure(_ daemons: [SSHDFixture]) throws -> Figure {
        var runners = runners.filter { Self.isThere($0.arguments(1)[0]) }
        for index in runners.indices {
            let tried = try Self.widths.map { ($0, try sample(runners[index], $0, daemons).wall) }
            runners[index].width = tried.min { $0.1 < $1.1 }?.0 ?? 8
        }
        for _ in 0..<Self.rounds {
            for index in runners.indices {
                runners[index].samples.append(try sample(runners[index], runners[index].width, daemons))
            }
        }
        let peers = runners.dropFirst().compactMap { runner in runner.median.map { (runner.name, $0.wall) } }
        guard let own = runners.first?.median, let best = peers.min(by: { $0.1 < $1.1 }) else {
            return unmeasured("none of pssh, clush and ansible is installed")
        }
        let cores = Double(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        let floor = own.server / cores
        let isInReach = best.1 / 2 >= floor
        let parts = runners.map { runner in
            let median = runner.median
            return "\(runner.name) \(Self.text(median?.wall)) s (\(runner.width) at once, "
                + "CPU \(Self.text(median?.client)), sshd \(Self.text(median?.server)))"
        }
        return Figure(
            name: "ssh-fan-out",
            value: own.wall,
            unit: "s",
            reference: best.0,
            referenceValue: best.1,
            goal: Self.goal,
            met: own.wall <= best.1 / 2 && own.wall <= 1.3 * floor,
            note: "\(Self.text(own.wall / floor)) of sshd's CPU time over \(Int(cores)) cores; "
                + (isInReach ? "" : "sshd alone needs more than half the best peer's time here; ")
                + parts.joined(separator: ", ")
        )
    }

    private func sample(_ runner: Runner, _ width: Int, _ daemons: [SSHDFixture]) throws -> Sample {
        let before = try Self.server(daemons)
        let output = folder + "/output"
        let start = ContinuousClock.now
        let usage = try Child(runner.arguments(width), environment: runner.environment, output: output).wait()
        let wall = ContinuousClock.now - start
        guard usage.status == 0 else {
            throw Child.Failure.exit(runner.arguments(width) + [(try? Child.read(output)) ?? ""], usage.status)
        }
        unlink(output)
        // The last sessions are still being taken down.
        usleep(700_000)
        let seconds = Double(wall.components.seconds) + Double(wall.components.attoseconds) / 1e18
        // Minutes go by: whoever waits sees that it goes on.
        let line = Array("ssh-fan-out: \(runner.name), \(width) at once: \(Self.text(seconds)) s\n".utf8)
        _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
        return Sample(wall: seconds, server: try Self.server(daemons) - before, client: usage.cpu)
    }

    /// What the sshds have used so far, with the children that they have waited for.
    private static func server(_ daemons: [SSHDFixture]) throws -> Double {
        try daemons.reduce(0) { sum, daemon in
            let text = try Child.read("/proc/\(daemon.daemon.pid)/stat")
            guard let end = text.lastIndex(of: ")") else { return sum }
            let ticks = text[end...].split(separator: " ").dropFirst(12).prefix(4).compactMap { Double($0) }
            return sum + ticks.reduce(0, +) / Double(sysconf(Int32(_SC_CLK_TCK)))
        }
    }

    private static func isThere(_ program: String) -> Bool {
        program.hasPrefix("/") || access("/usr/bin/" + program, X_OK) == 0
    }

    private static func text(_ value: Double?) -> String {
        guard let value else { return "?" }
        return String((value * 100).rounded() / 100)
    }

    private func unmeasured(_ why: String) -> Figure {
        Figure(name: "ssh-fan-out", value: nil, unit: "s", goal: Self.goal, met: nil, note: why)
    }
}
