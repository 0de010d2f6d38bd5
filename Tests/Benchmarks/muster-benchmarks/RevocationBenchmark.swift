import ByteCoding
import CanonicalJSON
import Glibc
import MusterSystem
import MusterTestSupport
import OpenSSHFormats

/// A list of 100,000 revoked certificates with serials in sequence: its size, and what sshd pays for it with each connection,
/// beside an empty list.
///
/// Where one certificate in ten between them is still good the list has 14 kB, but sshd unpacks it serial by serial, which
/// costs it a third more than an empty list.
struct RevocationBenchmark {
    let folder: String
    private let connections = 40

    func figure() async throws -> Figure {
        let name = "krl-100000"
        let unit = "ms of sshd's CPU per connection"
        let goal = "below 64 kB, and ratio at most 1.10"
        let long = try list(100_000)
        if let obstacle = SSHDFixture.obstacle {
            return Figure(
                name: name,
                value: nil,
                unit: unit,
                goal: goal,
                met: nil,
                note: "\(long.count) bytes; \(obstacle)"
            )
        }
        try write(long, "long.krl")
        try write(try list(0), "empty.krl")
        let full = try await server("long")
        let empty = try await server("empty")
        var costs: (full: Double, empty: Double) = (0, 0)
        do {
            // In turns, so that both see the same machine; the first of each warms it up.
            _ = try await cost(full, connections: 3)
            _ = try await cost(empty, connections: 3)
            for _ in 0..<4 {
                costs.full += try await cost(full, connections: connections / 4)
                costs.empty += try await cost(empty, connections: connections / 4)
            }
        } catch {
            await full.end()
            await empty.end()
            throw error
        }
        await full.end()
        await empty.end()
        let value = costs.full * 1000 / Double(connections)
        let reference = costs.empty * 1000 / Double(connections)
        return Figure(
            name: name,
            value: value,
            unit: unit,
            reference: "an empty list",
            referenceValue: reference,
            goal: goal,
            met: long.count < 64 * 1024 && value <= reference * 1.10,
            note: "\(long.count) bytes"
        )
    }

    private func list(_ count: Int) throws -> [UInt8] {
        var revocations = SSHRevocations()
        if count > 0 {
            // The first is the certificate that logs in.
            let serials = SerialSet([2...UInt64(count + 1)])
            revocations.certificates[try FleetSimulator.userAuthority.ssh] = SSHRevocations.Certificates(
                serials: serials
            )
        }
        return try revocations.list(version: 2, date: UTCTime(milliseconds: 0)).bytes
    }

    private func write(_ bytes: [UInt8], _ name: String) throws {
        try AtomicFile.write(bytes, to: folder + "/" + name, mode: 0o644)
    }

    private func server(_ name: String) async throws -> SSHDFixture {
        let place = folder + "/" + name
        try Directory.create(place, mode: 0o755)
        let authority = Array((try FleetSimulator.userAuthority.ssh.line + "\n").utf8)
        try AtomicFile.write(authority, to: place + "/ca.pub", mode: 0o644)
        return try await SSHDFixture(
            in: place,
            lines: ["TrustedUserCAKeys \(place)/ca.pub", "RevokedKeys \(folder)/\(name).krl"]
        )
    }

    /// CPU seconds of sshd and its children for so many logins by certificate.
    private func cost(_ server: SSHDFixture, connections: Int) async throws -> Double {
        let key = TestKey("bench-login")
        let now = WallClock.now()
        let certificate = try CertificateDraft(try key.ssh, principals: [SSHDFixture.user], time: now)
            .signed(by: FleetSimulator.userAuthority)
        let identity = try server.identity(key, certificate)
        let before = Child.familySeconds(of: server.daemon.pid)
        for _ in 0..<connections {
            let outcome = try await server.ssh(identity, command: "true")
            guard outcome.status == 0 else { throw Child.Failure.spawn("ssh", outcome.output) }
        }
        // sshd waits for a child a moment after the client has left.
        try await Task.sleep(for: .milliseconds(300))
        return Child.familySeconds(of: server.daemon.pid) - before
    }
}

extension Child {
    /// CPU seconds that a process and those of its children that have ended have used so far.
    static func familySeconds(of pid: pid_t) -> Double {
        guard let text = try? read("/proc/\(pid)/stat"), let end = text.lastIndex(of: ")") else { return 0 }
        let fields = text[end...].split(separator: " ")
        guard fields.count > 15 else { return 0 }
        let ticks = fields[12...15].compactMap { Double($0) }.reduce(0, +)
        return ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
}
