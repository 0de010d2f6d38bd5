import Glibc
import MusterSystem
import MusterTestSupport

/// A machine with Debian's own openssh-server, in an older of the versions that Debian has of it now, on a port of loopback.
///
/// Its process 1 is the `init` of Debian's sysvinit-core: the maintainer scripts of openssh-server restart sshd only where a
/// runlevel says that it shall run, as on any machine without systemd, and by nothing but `invoke-rc.d` and `/etc/init.d/ssh`.
struct OpenSSHMachine: Sendable {
    /// The packages that must have one version, the server first.
    static let packages = ["openssh-server", "openssh-client", "openssh-sftp-server"]

    /// The files of the machine.
    let files: DebianChroot.Files
    /// The version that is installed, and the one that it is to get.
    let versions: (old: String, new: String)
    /// The packages of both versions, outside of the machine.
    let packages: (old: [String], new: [String])
    /// Where sshd listens.
    let port: Int
    /// What logs in as root.
    let key: String
    private let folder: TemporaryFolder

    /// Installs everything, without starting anything.
    static func installed() async throws -> OpenSSHMachine {
        let files = try await DebianChroot.Files()
        let folder = try TemporaryFolder()
        let port = try freePort()
        let key = folder.file("id")
        let made = try await Command("/usr/bin/ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key])
            .run(timeout: .seconds(60))
        guard made.succeeded else { throw RunningProgram.Failure("ssh-keygen: \(made.errorText)") }
        return try await files.run { chroot in
            try await chroot.updateLists()
            let versions = try await Self.versions(chroot)
            let old = try await fetch(versions.old, chroot, folder)
            let new = try await fetch(versions.new, chroot, folder)
            try await chroot.install(Self.packages.map { "\($0)=\(versions.old)" } + ["sysvinit-core"])
            // What a muster-agent needs that was built on this machine.
            try await chroot.install(["libsodium23", "libarchive13", "libstdc++6", "zlib1g"])
            try await configure(chroot, port, key: key + ".pub")
            return OpenSSHMachine(
                files: files,
                versions: versions,
                packages: (old, new),
                port: port,
                key: key,
                folder: folder
            )
        }
    }

    /// The newest version that Debian has now, and the newest but one.
    private static func versions(_ chroot: DebianChroot) async throws -> (old: String, new: String) {
        let lines = try await chroot.succeed("/usr/bin/apt-cache", ["madison", packages[0]]).split(separator: "\n")
        var versions: [String] = []
        for line in lines {
            let fields = line.split(separator: "|").map { $0.filter { $0 != " " } }
            guard fields.count == 3, !fields[2].hasSuffix("Sources"), !versions.contains(fields[1]) else { continue }
            versions.append(fields[1])
        }
        guard versions.count >= 2 else {
            throw DebianTree.Unreachable(description: "Debian has one version of openssh-server only: \(versions)")
        }
        return (versions[1], versions[0])
    }

    private static func fetch(
        _ version: String,
        _ chroot: DebianChroot,
        _ folder: TemporaryFolder
    ) async throws -> [String] {
        let place = "/var/cache/versions/" + version
        let names = packages.map { "\($0)=\(version)" }.joined(separator: " ")
        let found = try await chroot.shell(
            "mkdir -p \(place) && chown _apt \(place) && cd \(place) && apt-get download -qq \(names) && ls"
        )
        let files = try found.split(separator: "\n").map { name in
            try folder.write("\(name)", try BoundedFile.read(chroot.file("\(place)/\(name)"), limit: 1 << 26))
        }
        return try packages.map { package in
            guard let file = files.first(where: { Directory.name(of: $0).hasPrefix(package + "_") }) else {
                throw RunningProgram.Failure("apt fetched \(files), but not \(package)")
            }
            return file
        }
    }

    private static func configure(_ chroot: DebianChroot, _ port: Int, key: String) async throws {
        let text = [
            "Port \(port)", "ListenAddress 127.0.0.1", "PermitRootLogin prohibit-password", "MaxStartups 100",
            "UseDNS no",
        ]
        try AtomicFile.write(
            Array((text.joined(separator: "\n") + "\n").utf8),
            to: chroot.file("/etc/ssh/sshd_config.d/10-tests.conf"),
            mode: 0o644
        )
        try Directory.create(chroot.file("/root/.ssh"), mode: 0o700)
        try AtomicFile.write(
            try BoundedFile.read(key, limit: 4096),
            to: chroot.file("/root/.ssh/authorized_keys"),
            mode: 0o600
        )
        // Of what a machine does when it starts, only the services: disks, clocks and kernel settings are not the copy's.
        try AtomicFile.write(
            Array("id:2:initdefault:\nl2:2:wait:/etc/init.d/rc 2\n".utf8),
            to: chroot.file("/etc/inittab"),
            mode: 0o644
        )
    }

    private static func freePort() throws -> Int {
        for _ in 0..<100 {
            let port = Int.random(in: 18000..<20000)
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(descriptor) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = UInt16(port).bigEndian
            address.sin_addr.s_addr = inet_addr("127.0.0.1")
            let code = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            if code == 0 { return port }
        }
        throw RunningProgram.Failure("no port of loopback is free")
    }

    // MARK: While it runs

    /// What `ssh` is told to log in as root and run `command`.
    func arguments(_ command: String) -> [String] {
        let options = [
            "BatchMode=yes", "IdentitiesOnly=yes", "IdentityAgent=none", "GlobalKnownHostsFile=/dev/null",
            "UserKnownHostsFile=/dev/null", "StrictHostKeyChecking=no", "ConnectTimeout=60", "LogLevel=ERROR",
            "ControlMaster=no", "ControlPath=none",
        ]
        return ["-F", "none", "-T", "-p", "\(port)", "-i", key] + options.flatMap { ["-o", $0] }
            + ["root@127.0.0.1", command]
    }

    /// Logs in, and returns what the command printed.
    func logIn(_ command: String) async throws -> String {
        let result = try await Command("/usr/bin/ssh", arguments(command)).run(timeout: .seconds(120))
        guard result.succeeded else { throw RunningProgram.Failure("ssh \(result.endingText): \(result.errorText)") }
        return result.outputText
    }

    /// Waits until sshd takes logins.
    func waitUntilReachable(_ chroot: DebianChroot) async throws {
        var said = ""
        for _ in 0..<240 {
            do {
                _ = try await logIn("true")
                return
            } catch {
                said = "\(error)"
                try await Task.sleep(for: .milliseconds(500))
            }
        }
        let processes = try await chroot.run("/usr/bin/ps", ["ax"]).outputText
        throw RunningProgram.Failure("sshd of the copy cannot be reached: \(said)\n\(processes)")
    }

    /// The process that listens: its number within the machine.
    func listener(_ chroot: DebianChroot) throws -> String {
        let bytes = try BoundedFile.read(chroot.file("/run/sshd.pid"), limit: 64)
        return String(decoding: bytes, as: UTF8.self).filter { $0.isNumber }
    }

    /// What dpkg says of the packages: one line where they are all installed in one version.
    func installed(_ chroot: DebianChroot) async throws -> Set<String> {
        let format = ["--show", "--showformat", "${Version} ${db:Status-Status}\n"]
        let said = try await chroot.succeed("/usr/bin/dpkg-query", format + Self.packages)
        return Set(said.split(separator: "\n").map(String.init))
    }
}
