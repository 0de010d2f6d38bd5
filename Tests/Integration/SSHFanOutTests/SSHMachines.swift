import MusterKeys
import MusterModel
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import RemoteShell

/// Real sshds on loopback that let in whoever has a certificate of one CA, and the way to log in on them.
final class SSHMachines: Sendable {
    static let authority = TestKey("fan-out CA")
    static let user = TestKey("fan-out user")

    let folder: TemporaryFolder
    let daemons: [SSHDFixture]
    /// Every address that something listens on, in order.
    let places: [(address: String, daemon: SSHDFixture)]

    /// So many sshds with so many addresses each, at most 15.
    init(daemons count: Int = 1, addresses: Int = 1) async throws {
        folder = try TemporaryFolder()
        let authority = try folder.write("ca.pub", Array((try Self.authority.ssh.line + "\n").utf8))
        // Addresses that no other test has: 127.64.0.0 to 127.127.255.255.
        let (high, low) = (Int.random(in: 64..<128), Int.random(in: 0..<256))
        var daemons: [SSHDFixture] = []
        var places: [(address: String, daemon: SSHDFixture)] = []
        for number in 0..<count {
            let own = (0..<addresses).map { "127.\(high).\(low).\(1 + number * addresses + $0)" }
            let daemon = try await SSHDFixture(
                in: folder.file("sshd-\(number)"),
                lines: own.map { "ListenAddress \($0)" } + ["TrustedUserCAKeys \(authority)", "MaxSessions 100"],
                hostKey: TestKey("fan-out host \(number)")
            )
            daemons.append(daemon)
            places += own.map { ($0, daemon) }
        }
        self.daemons = daemons
        self.places = places
    }

    /// Ends every sshd.
    func end() async {
        for daemon in daemons { await daemon.end() }
    }

    /// Does something with machines, and ends them.
    static func with<Value: Sendable>(
        daemons: Int = 1,
        addresses: Int = 1,
        _ work: (SSHMachines) async throws -> Value
    ) async throws -> Value {
        let machines = try await SSHMachines(daemons: daemons, addresses: addresses)
        do {
            let value = try await work(machines)
            await machines.end()
            return value
        } catch {
            await machines.end()
            throw error
        }
    }

    /// Where to log in; the host keys are those that the sshd has unless others are given.
    func host(
        _ index: Int = 0,
        hostKeys: [SSHPublicKey]? = nil,
        revoked: SSHRevocationList? = nil
    ) throws -> RemoteHost {
        let place = places[index]
        return RemoteHost(
            address: place.address,
            port: UInt16(place.daemon.port),
            user: SSHDFixture.user,
            hostKeys: try hostKeys ?? [place.daemon.hostKey],
            revoked: revoked
        )
    }

    /// The key with a certificate, good for ten minutes unless changed.
    static func identity(_ change: (inout CertificateDraft) -> Void = { _ in }) throws -> RemoteIdentity {
        var draft = CertificateDraft(try user.ssh, principals: [SSHDFixture.user], time: WallClock.now())
        draft.sourceAddress = "127.0.0.0/8"
        change(&draft)
        var seed = user.seed
        guard let key = Ed25519SecretKey(seed: SecretBytes(wiping: &seed)) else {
            throw FleetSimulator.Failure.impossible
        }
        return try RemoteIdentity(key, certificate: try draft.signed(by: authority))
    }

    /// The line that a certificate forces for a command of a policy.
    static func line(
        _ argv: [String],
        environment: [String: String] = [:],
        input: String? = nil,
        directory: String = "/",
        timeout: Int64 = 60
    ) throws -> String {
        guard let account = AccountName(SSHDFixture.user), let run = RunID(String(repeating: "ab", count: 16)) else {
            throw FleetSimulator.Failure.impossible
        }
        func plain(_ text: String) -> String {
            text.replacing("{", with: "{{").replacing("}", with: "}}")
        }
        let command = ApprovedCommand(
            argv: argv.map(plain),
            user: account,
            directory: directory,
            environment: environment.mapValues(plain),
            input: input.map(plain),
            timeoutSeconds: timeout
        )
        guard let line = try command.resolve([:]).shellLine(run: run) else { throw FleetSimulator.Failure.impossible }
        return line
    }
}

/// A command's output, gathered.
final class Gathered: Sendable {
    private let pieces = LockedPieces()

    var take: @Sendable (RemoteOutput) -> Void { { self.pieces.add($0) } }
    var all: [(moment: ContinuousClock.Instant, piece: RemoteOutput)] { pieces.all }

    /// What came on one stream, as text.
    func text(_ stream: RemoteOutput.Stream = .output) -> String {
        let bytes = all.filter { $0.piece.stream == stream }.flatMap(\.piece.bytes)
        return String(decoding: bytes, as: UTF8.self)
    }
}
