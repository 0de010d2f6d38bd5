import ByteCoding
import CanonicalJSON
import Glibc
import MusterSystem
import MusterTestSupport
import OpenSSHFormats

/// A list of 100,000 revoked certificates: its size, and what sshd pays for it with each connection, beside an empty list.
struct RevocationBenchmark {
    let folder: String
    /// Which serials are revoked.
    let pattern: Pattern
    private let connections = 80

    /// How the serials of the revoked lie.
    enum Pattern: String {
        /// One after the other.
        case sequence = "krl-100000"
        /// Between them, at random, one certificate in ten is still good: about 10,000 runs of serials.
        case gaps = "krl-100000-gaps"

        /// The first is not among them: it is that of the certificate that logs in.
        var serials: SerialSet {
            switch self {
            case .sequence: return SerialSet([2...100_001])
            case .gaps:
                var generator = SeededGenerator(seed: 4)
                var serials: [UInt64] = []
                var serial: UInt64 = 1
                while serials.count < 100_000 {
                    serial += 1
                    if Int.random(in: 0..<10, using: &generator) > 0 { serials.append(serial) }
                }
                return SerialSet(serials: serials)
            }
        }
    }

    func figure() async throws -> Figure {
        let name = pattern.rawValue
        let unit = "ms of sshd's CPU per connection"
        let goal = "below 64 kB, and ratio at most 1.10"
        let serials = pattern.serials
        let long = try list(serials)
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
        try write(try list(SerialSet([])), "empty.krl")
        let full = try await server("long")
        let empty = try await server("empty")
        var costs: (full: Double, empty: Double) = (0, 0)
        do {
            // In turns, so that both see the same machine; the first of each warms it up.
            _ = try await cost(full, connections: 3)
            _ = try await cost(empty, connections: 3)
            for _ in 0..<8 {
                costs.full += try await cost(full, connections: connections / 8)
                costs.empty += try await cost(empty, connections: connections / 8)
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
            note: "\(long.count) bytes, \(serials.ranges.count) runs of serials"
        )
    }

    private func list(_ serials: SerialSet) throws -> [UInt8] {
        var revocations = SSHRevocations()
        if !serials.isEmpty {
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
