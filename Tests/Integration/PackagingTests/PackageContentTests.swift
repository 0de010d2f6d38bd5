import MusterModel
import MusterSystem
import MusterTestSupport
import Testing

/// What is in the packages, seen from outside.
@Suite("Content of the Debian packages")
struct PackageContentTests {
    @Test("The same programs give the same bytes, whoever builds them where")
    func reproducible() async throws {
        let built = try await BuiltPackages.shared()
        let folder = try TemporaryFolder()
        let other = folder.file("other")
        try Directory.create(other, mode: 0o700)
        try await BuiltPackages.script(
            "deb",
            ["--from", built.programs, "--to", folder.path, "--quick", "muster-agent"],
            environment: ["TMPDIR": other, "LC_ALL": "C", "TZ": "Asia/Tokyo"]
        )
        let name = try await BuiltPackages.fileName("muster-agent")
        let limit = 200_000_000
        let first = try BoundedFile.read(built.packages + "/" + name, limit: limit)
        #expect(try BoundedFile.read(folder.file(name), limit: limit) == first)
    }

    @Test("Everything belongs to root, what is below /etc is a conffile, and nothing lies where it does not belong")
    func content() async throws {
        let built = try await BuiltPackages.shared()
        for name in BuiltPackages.names {
            let file = try await built.file(name)
            let lines = try await BuiltPackages.output("/usr/bin/dpkg-deb", ["--contents", file]).split(separator: "\n")
            let entries = lines.map { $0.split(separator: " ", omittingEmptySubsequences: true).map(String.init) }
            let isOwned = entries.allSatisfy { $0.count > 5 && $0[1] == "root/root" && !$0[0].contains("s") }
            #expect(isOwned, "\(name) has files of others than root, or setuid ones")
            let files = entries.filter { $0[0].hasPrefix("-") }.compactMap(\.last).map { String($0.dropFirst()) }
            let isWritable = entries.contains { Array($0[0])[5] == "w" || Array($0[0])[8] == "w" }
            #expect(!isWritable, "\(name) has files that others than root may write")
            for path in files { #expect(Self.places(name).contains { path.hasPrefix($0) }, "\(name): \(path)") }
            for path in Self.needed(name) { #expect(files.contains(path), "\(name) lacks \(path)") }
            let isThere = try await BuiltPackages.output("/usr/bin/dpkg-deb", ["--ctrl-tarfile", file]).contains(
                "conffiles"
            )
            let conffiles =
                isThere ? try await BuiltPackages.output("/usr/bin/dpkg-deb", ["--info", file, "conffiles"]) : ""
            #expect(
                conffiles.split(separator: "\n").map(String.init) == files.filter { $0.hasPrefix("/etc/") }.sorted()
            )
        }
    }

    @Test("Version and dependencies are what the programs say and are linked to, and those that they load by name")
    func fields() async throws {
        let built = try await BuiltPackages.shared()
        let wanted = [
            "musterd": ["libc6 (>= 2.36)", "libsodium23", "libsqlite3-0", "systemd |"],
            "muster-agent": ["libc6 (>= 2.36)", "libsodium23", "libarchive13"],
            "muster": ["libc6 (>= 2.36)", "libsodium23", "libssh-4", "libarchive13", "openssh-client"],
        ]
        for name in BuiltPackages.names {
            let file = try await built.file(name)
            let version = try await BuiltPackages.output("/usr/bin/dpkg-deb", ["--field", file, "Version"])
            #expect(version == MusterVersion.text + "-1\n")
            let depends = try await BuiltPackages.output("/usr/bin/dpkg-deb", ["--field", file, "Depends"])
            for library in wanted[name] ?? [] { #expect(depends.contains(library), "\(name): \(depends)") }
            let said = try await BuiltPackages.output(built.programs + "/" + name, ["--version"])
            #expect(said == "\(name) \(MusterVersion.text)\n")
        }
    }

    @Test("The agent's manual page names every member of its configuration, and every command of the agent")
    func configuration() async throws {
        let built = try await BuiltPackages.shared()
        let file = try await built.file("muster-agent")
        let page = try await BuiltPackages.output(
            "/bin/sh",
            ["-c", "dpkg-deb --fsys-tarfile \(file) | tar -xO ./usr/share/man/man8/muster-agent.8.gz | zcat"]
        )
        let source = try BoundedFile.read(
            BuiltPackages.root + "/Sources/Services/MusterAgent/AgentConfiguration.swift",
            limit: 1 << 20
        )
        let members = String(decoding: source, as: UTF8.self).split(separator: "fields.has(\"").dropFirst()
            .map { String($0.prefix { $0 != "\"" }) }
        #expect(members.count > 5)
        for member in members { #expect(page.contains("\n.B \(member)\n"), "\(member) is not in muster-agent(8)") }
        for command in ["enroll", "serve", "status", "ssh-principals", "ssh-withdraw"] {
            let title = command.split(separator: "-").joined(separator: "\\-")
            #expect(page.contains(".SS \"\(title)\""), "\(command) is not in muster-agent(8)")
        }
    }

    private static func program(_ name: String) -> String { name == "muster" ? "/usr/bin/muster" : "/usr/sbin/\(name)" }

    private static func needed(_ name: String) -> [String] {
        let everywhere = [
            program(name), "/usr/share/doc/\(name)/copyright", "/usr/share/doc/\(name)/changelog.Debian.gz",
            "/usr/share/bash-completion/completions/\(name)", "/usr/share/zsh/vendor-completions/_\(name)",
            "/usr/share/fish/vendor_completions.d/\(name).fish",
        ]
        switch name {
        case "musterd":
            return everywhere + [
                "/usr/lib/systemd/system/musterd.service", "/usr/lib/sysusers.d/musterd.conf",
                "/usr/lib/tmpfiles.d/musterd.conf", "/etc/default/musterd", "/usr/share/man/man8/musterd.8.gz",
            ]
        case "muster-agent":
            return everywhere + [
                "/usr/lib/systemd/system/muster-agent.service", "/etc/default/muster-agent", "/etc/muster-agent.json",
                "/usr/share/man/man8/muster-agent.8.gz",
            ]
        default: return everywhere + ["/usr/share/man/man1/muster.1.gz", "/usr/share/man/man1/muster-rollout.1.gz"]
        }
    }

    private static func places(_ name: String) -> [String] {
        needed(name) + [
            "/usr/share/man/man1/muster-", "/usr/share/lintian/overrides/\(name)",
            "/usr/lib/systemd/system/\(name)-watch.service",
        ]
    }
}
