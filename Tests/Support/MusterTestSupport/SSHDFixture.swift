import Glibc
import MusterSystem
import OpenSSHFormats

/// A real sshd on a high port of loopback, with a configuration and host keys of its own, ended by its process id.
///
/// It listens on 127.0.0.1; `ssh` may come from any address of 127.0.0.0/8. Logins are as root, or as whoever runs the tests.
public final class SSHDFixture: Sendable {
    /// Why no such sshd can be had here; nil where it can.
    public static var obstacle: String? {
        if geteuid() != 0 { return "sshd runs the principals command only for root's own programs" }
        for path in ["/usr/sbin/sshd", "/usr/bin/ssh", "/usr/bin/ssh-keygen"] where access(path, X_OK) != 0 {
            return "\(path) is not installed"
        }
        return nil
    }

    /// What came of `ssh`.
    public struct Outcome: Sendable {
        /// Its exit status: the command's, or 255.
        public let status: Int32
        /// What the command and `ssh` printed.
        public let output: String
    }

    /// The account that logins are for.
    public static let user =
        geteuid() == 0 ? "root" : getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) } ?? ""

    /// The folder of everything.
    public let folder: String
    /// The port.
    public let port: Int
    /// The daemon.
    public let daemon: RunningProgram

    /// sshd's configuration, which includes the folder `sshd_config.d` first.
    public var configuration: String { folder + "/sshd_config" }
    /// Where a part of the configuration has its place.
    public var dropIn: String { folder + "/sshd_config.d/50-muster.conf" }
    /// sshd's log.
    public var logFile: String { folder + "/sshd.log" }
    /// Everything that sshd has logged, without the CR that it puts before each LF.
    public var log: String {
        String(decoding: daemon.output.utf8.filter { $0 != UInt8(ascii: "\r") }, as: UTF8.self)
    }
    /// The host key's public half.
    public var hostKey: SSHPublicKey {
        get throws {
            let bytes = try BoundedFile.read(folder + "/host.pub", limit: 4096)
            return try SSHPublicKey(line: String(decoding: bytes, as: UTF8.self).filter { $0 != "\n" })
        }
    }

    /// Starts sshd in `folder`; `lines` are added to its configuration, up to 15 further addresses among them.
    public init(in folder: String, lines: [String] = [], hostKey: TestKey = TestKey("host")) async throws {
        self.folder = folder
        // Gone after each boot, until the machine's own sshd starts.
        mkdir("/run/sshd", 0o755)
        try Directory.create(folder + "/sshd_config.d", mode: 0o755)
        try AtomicFile.write(try hostKey.privateKeyFile, to: folder + "/host")
        try AtomicFile.write(Array((try hostKey.ssh.line + "\n").utf8), to: folder + "/host.pub")
        var started: (Int, RunningProgram)?
        for _ in 0..<20 where started == nil {
            let port = Int.random(in: 20000...32000)
            try Self.configure(folder, port, lines)
            started = try await Self.start(folder).map { (port, $0) }
        }
        guard let started else { throw RunningProgram.Failure("sshd does not start; see \(folder)/sshd.log") }
        (port, daemon) = started
    }

    /// Ends sshd; sessions that are open go on until their own end.
    public func end() async {
        await daemon.end()
    }

    /// What keeps `ssh` from looking at anything but what it is given.
    public func arguments(knownHosts: String? = nil, from address: String = "127.0.0.1") -> [String] {
        let known = knownHosts ?? "/dev/null"
        let options = [
            "BatchMode=yes", "IdentitiesOnly=yes", "IdentityAgent=none", "GlobalKnownHostsFile=/dev/null",
            "UserKnownHostsFile=\(known)", "StrictHostKeyChecking=\(knownHosts == nil ? "no" : "yes")",
            "UpdateHostKeys=no", "ConnectTimeout=20", "LogLevel=ERROR", "ControlMaster=no", "ControlPath=none",
            "PreferredAuthentications=publickey",
        ]
        return ["-F", "none", "-p", String(port), "-b", address] + options.flatMap { ["-o", $0] }
    }

    /// Writes a key and its certificate for `ssh`, and returns what names them.
    public func identity(_ key: TestKey, _ certificate: SSHCertificate?) throws -> [String] {
        let path = folder + "/id-" + String(UInt64.random(in: .min ... .max), radix: 36)
        try AtomicFile.write(try key.privateKeyFile, to: path)
        guard let certificate else { return ["-i", path] }
        return try identity(path, line: certificate.line)
    }

    /// As above, with a certificate's line from elsewhere.
    public func identity(_ path: String, line: String) throws -> [String] {
        try AtomicFile.write(Array((line + "\n").utf8), to: path + "-cert.pub")
        return ["-i", path, "-o", "CertificateFile=\(path)-cert.pub"]
    }

    /// Runs `ssh` and waits for its end.
    public func ssh(
        _ identity: [String],
        user: String = SSHDFixture.user,
        knownHosts: String? = nil,
        from address: String = "127.0.0.1",
        host: String = "127.0.0.1",
        command: String = "echo welcome"
    ) async throws -> Outcome {
        let session = try open(
            identity,
            user: user,
            knownHosts: knownHosts,
            from: address,
            host: host,
            command: command
        )
        guard let status = await session.exit(within: .seconds(60)) else {
            await session.end()
            throw RunningProgram.Failure("ssh did not end:\n\(session.output)")
        }
        return Outcome(status: status, output: session.output)
    }

    /// Starts `ssh` and lets it run.
    public func open(
        _ identity: [String],
        user: String = SSHDFixture.user,
        knownHosts: String? = nil,
        from address: String = "127.0.0.1",
        host: String = "127.0.0.1",
        command: String
    ) throws -> RunningProgram {
        let log = folder + "/ssh-" + String(UInt64.random(in: .min ... .max), radix: 36)
        return try RunningProgram(
            "/usr/bin/ssh",
            arguments(knownHosts: knownHosts, from: address) + identity + ["\(user)@\(host)", command],
            log: log
        )
    }

    private static func configure(_ folder: String, _ port: Int, _ lines: [String]) throws {
        let text =
            [
                "Include \(folder)/sshd_config.d/*.conf", "Port \(port)", "ListenAddress 127.0.0.1",
                "HostKey \(folder)/host", "PidFile \(folder)/sshd.pid", "UsePAM no", "StrictModes no",
                "AuthorizedKeysFile none", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
                "PermitRootLogin yes", "MaxStartups 200", "UseDNS no", "PrintMotd no", "PrintLastLog no",
            ] + lines
        try AtomicFile.write(Array((text.joined(separator: "\n") + "\n").utf8), to: folder + "/sshd_config")
    }

    /// The daemon once it listens; nil where the port was taken.
    private static func start(_ folder: String) async throws -> RunningProgram? {
        let log = folder + "/sshd.log"
        unlink(log)
        let daemon = try RunningProgram(
            "/usr/sbin/sshd",
            ["-D", "-e", "-f", folder + "/sshd_config"],
            log: log
        )
        for _ in 0..<3000 {
            if daemon.output.contains("Server listening on") { return daemon }
            if await daemon.exit(within: .milliseconds(20)) != nil {
                if daemon.output.contains("Address already in use") { return nil }
                throw RunningProgram.Failure("sshd ended:\n\(daemon.output)")
            }
        }
        await daemon.end()
        throw RunningProgram.Failure("sshd does not listen:\n\(daemon.output)")
    }
}
