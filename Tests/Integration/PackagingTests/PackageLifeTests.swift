import MusterSystem
import MusterTestSupport
import Testing

extension PackagingTests {
    @Test("An upgrade restarts musterd but never the agent, keeps what the owner wrote, and purging leaves nothing")
    func life() async throws {
        let built = try await BuiltPackages.shared()
        try await Self.onDebian(built) { machine in
            try await machine.install(["systemd", "libsodium23", "libsqlite3-0", "libarchive13"])
            try await Self.pretendSystemd(machine)
            let before = try await Self.everything(machine)
            for name in ["musterd", "muster-agent"] {
                let unit = name + ".service"
                let first = try await Self.dpkg(machine, ["--install", try await built.file(name)])
                #expect(first.contains("daemon-reload") && first.contains("start \(unit)"), "\(first)")
                #expect(try await machine.shell("ls -l /etc/systemd/system/*.wants").contains(unit))
                try await machine.shell("echo '# the owner wrote this' >>/etc/default/\(name)")
                let second = try await Self.dpkg(machine, ["--install", try await built.file(name, revision: 2)])
                let restarts = second.split(separator: "\n").filter { $0.hasSuffix(unit) }
                #expect(restarts == (name == "musterd" ? ["try-restart musterd.service"] : []), "\(second)")
                // A step back, as the agent's watcher takes it.
                let back = try await Self.dpkg(
                    machine,
                    ["--force-confold", "--force-downgrade", "--install", try await built.file(name)]
                )
                #expect(back.split(separator: "\n").filter { $0.hasSuffix(unit) } == restarts, "\(back)")
                let kept = try await machine.succeed("/bin/cat", ["/etc/default/\(name)"])
                #expect(kept.hasSuffix("# the owner wrote this\n"))
                try await machine.shell("mkdir -p /var/lib/\(name); touch /var/lib/\(name)/something")
                let removal = try await Self.dpkg(machine, ["--remove", name])
                #expect(removal.contains("stop \(unit)"), "\(removal)")
                try await machine.shell("test -e /var/lib/\(name)/something; test -e /etc/default/\(name)")
                try await Self.dpkg(machine, ["--purge", name])
            }
            let left = try await Self.everything(machine).subtracting(before)
            #expect(left == ["/called"], "purging leaves \(left.sorted())")
        }
    }

    @Test("Whoever removes the agent still gets in: its part leaves sshd's configuration before its files are gone")
    func removalWithSSHD() async throws {
        let built = try await BuiltPackages.shared()
        try await Self.onDebian(built) { machine in
            try await machine.install(["openssh-server"])
            try await machine.install([try await built.file("muster-agent")])
            // As the agent leaves it behind on a node of a fleet with certificates.
            let part = """
                mkdir -p /var/lib/muster-agent/ssh /run/sshd
                ssh-keygen -q -k -f /var/lib/muster-agent/ssh/revoked.krl </dev/null
                echo RevokedKeys /var/lib/muster-agent/ssh/revoked.krl >/etc/ssh/sshd_config.d/50-muster.conf
                sshd -t
                """
            try await machine.shell(part)
            try await machine.succeed("/usr/bin/dpkg", ["--remove", "muster-agent"])
            try await machine.shell("test ! -e /etc/ssh/sshd_config.d/50-muster.conf; sshd -t")
            #expect(try await !machine.shell("sshd -T").contains("/var/lib/muster-agent"))
            // A node without the agent may go on trusting the fleet's CA, by files that somebody wrote: these stay.
            try await machine.shell(
                "echo RevokedKeys /var/lib/muster-agent/ssh/revoked.krl >/etc/ssh/sshd_config.d/own.conf"
            )
            let purged = try await machine.run("/usr/bin/dpkg", ["--purge", "muster-agent"])
            #expect(purged.succeeded && purged.errorText.contains("they are kept"), "\(purged.errorText)")
            try await machine.shell("sshd -t; test -s /var/lib/muster-agent/ssh/revoked.krl")
            #expect(try await machine.succeed("/bin/ls", ["/var/lib/muster-agent"]) == "ssh\n")
        }
    }

    // MARK: Steps

    /// Makes maintainer scripts believe that systemd runs, and notes what they ask of it in the file `/called`.
    ///
    /// Enabling a unit is done by the real systemctl, which only makes links.
    private static func pretendSystemd(_ machine: DebianChroot) async throws {
        let script = """
            #!/bin/sh
            echo "$*" | sed 's/--[a-z]* *//g' >>/called
            case "$*" in
            *preset*) exec /usr/bin/systemctl "$@" ;;
            *is-enabled*) echo enabled ;;
            esac
            """
        try await machine.shell("mkdir -p /run/systemd/system /usr/local/sbin")
        try AtomicFile.write(Array(script.utf8), to: machine.file("/usr/local/sbin/systemctl"), mode: 0o755)
    }

    /// Runs dpkg; returns what its scripts asked of systemd.
    @discardableResult
    private static func dpkg(_ machine: DebianChroot, _ arguments: [String]) async throws -> String {
        try await machine.shell(": >/called")
        try await machine.succeed("/usr/bin/dpkg", arguments)
        return try await machine.succeed("/bin/cat", ["/called"])
    }

    /// Every path that is not a log, a cache, or dpkg's own; the account's lines in /etc/passwd are lines, not files.
    private static func everything(_ machine: DebianChroot) async throws -> Set<String> {
        let skipped = [
            "/proc", "/sys", "/dev", "/run", "/tmp", "/var/lib/dpkg", "/var/log", "/var/cache", "/var/lib/apt",
        ]
        let places = skipped.map { "-path \($0)" }.joined(separator: " -o ")
        let said = try await machine.shell("find / -xdev \\( \(places) \\) -prune -o -print")
        return Set(said.split(separator: "\n").map(String.init))
    }
}
