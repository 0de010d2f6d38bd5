import MusterModel
import MusterSystem
import MusterTestSupport
import Testing

/// What the packages do on a real Debian, installed by its own dpkg.
@Suite("Debian packages on a real Debian", .enabled(if: DebianChroot.obstacle == nil), .serialized)
struct PackagingTests {
    @Test("Programs run, every manual page is rendered without a warning, and each shell completes")
    func installed() async throws {
        let built = try await BuiltPackages.shared()
        try await Self.onDebian(built) { machine in
            try await machine.install(["man-db", "groff-base", "bash-completion", "zsh", "fish"])
            try await machine.install(try await Self.files(built, BuiltPackages.names))
            for name in BuiltPackages.names {
                #expect(try await machine.succeed(name, ["--version"]) == "\(name) \(MusterVersion.text)\n")
                #expect(try await machine.succeed(name, ["--help"]).contains("SUBCOMMANDS:"))
            }
            try await Self.checkManualPages(machine)
            try await Self.checkCompletions(machine)
        }
    }

    @Test("lintian finds neither error nor warning, and every override says why")
    func lintian() async throws {
        let built = try await BuiltPackages.shared()
        try await Self.onDebian(built) { machine in
            try await machine.install(["lintian"])
            let files = try await Self.files(built, BuiltPackages.names)
            // With --fail-on it would count what is overridden, too.
            let said = try await machine.succeed(
                "/usr/bin/lintian",
                ["--allow-root", "--no-cfg", "--show-overrides", "--fail-on", "none", "--jobs", "1"] + files
            )
            let lines = said.split(separator: "\n").map(String.init)
            #expect(
                lines.contains { $0.hasPrefix("O: ") },
                "lintian said nothing about what is overridden: did it look?"
            )
            #expect(lines.filter { $0.hasPrefix("E:") || $0.hasPrefix("W:") } == [])
            for (index, line) in lines.enumerated() where line.hasPrefix("O: ") {
                #expect(index > 0 && lines[index - 1].hasPrefix("N: "), "no reason is given for \(line)")
            }
        }
    }

    @Test("systemd accepts the units, and finds musterd's exposure to be at most 3.0")
    func units() async throws {
        let built = try await BuiltPackages.shared()
        try await Self.onDebian(built) { machine in
            try await machine.install(["systemd"])
            try await machine.install(try await Self.files(built, ["musterd", "muster-agent"]))
            let units = try await machine.shell("dpkg -L musterd muster-agent | grep '/systemd/system/.*service$'")
                .split(separator: "\n").map(String.init)
            // The unit of the next boot runs the copy that an upgrade of the agent made, and only where there is one.
            try await machine.shell(
                "install -D -m 0700 /usr/sbin/muster-agent /var/lib/muster-agent/watcher/muster-agent"
            )
            // It exits with 0 whatever it finds: what it says counts.
            let verified = try await machine.run("/usr/bin/systemd-analyze", ["verify", "--man=no"] + units)
            #expect(verified.succeeded && verified.outputText.isEmpty)
            #expect(verified.errorText == "")
            let security = try await machine.run(
                "/usr/bin/systemd-analyze",
                [
                    "security", "--offline=true", "--threshold=30", "--no-pager",
                    "/usr/lib/systemd/system/musterd.service",
                ]
            )
            let verdict = security.outputText.split(separator: "\n").last ?? ""
            #expect(security.succeeded, "\(security.outputText)")
            print("PackagingTests: \(verdict)")
            let account = try await machine.succeed("/usr/bin/getent", ["passwd", "musterd"])
            #expect(account.hasSuffix(":muster fleet service:/var/lib/musterd:/usr/sbin/nologin\n"))
            let folder = try await machine.succeed("/usr/bin/stat", ["-c", "%U:%G %a", "/var/lib/musterd"])
            #expect(folder == "musterd:musterd 700\n")
        }
    }

    // MARK: Steps

    /// Runs `body` on a Debian of its own that sees the packages; its dpkg does not wait for the disk.
    static func onDebian(_ built: BuiltPackages, _ body: @Sendable (DebianChroot) async throws -> Void) async throws {
        try await DebianChroot.run(sharing: [built.packages]) { machine in
            try await machine.shell("echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/tests")
            try await body(machine)
        }
    }

    static func files(_ built: BuiltPackages, _ names: [String]) async throws -> [String] {
        var files: [String] = []
        for name in names { files.append(try await built.file(name)) }
        return files
    }

    private static func checkManualPages(_ machine: DebianChroot) async throws {
        let pages = try await machine.shell("dpkg -L musterd muster-agent muster | grep '/man/.*gz$'")
            .split(separator: "\n").map(String.init)
        #expect(pages.count > 10)
        for page in pages {
            let result = try await machine.run(
                "/usr/bin/man",
                ["--warnings=w", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page]
            )
            #expect(result.succeeded && result.errorText.isEmpty, "\(page): \(result.errorText)")
        }
        // What a page says of options is what the program says of itself.
        let page = try await machine.shell("MANWIDTH=500 MAN_KEEP_FORMATTING= man muster-rollout | cat")
        #expect(page.contains("muster rollout start") && page.contains("--stages"))
        let agent = try await machine.shell("MANWIDTH=500 man 8 muster-agent | cat")
        for text in ["ssh-withdraw", "/etc/muster-agent.json", "Default: /var/lib/muster-agent."] {
            #expect(agent.contains(text), "\(text) is not in muster-agent(8)")
        }
        let found = try await machine.shell("apropos muster-agent; apropos musterd")
        #expect(found.contains("muster-agent (8)") && found.contains("musterd (8)"))
    }

    private static func checkCompletions(_ machine: DebianChroot) async throws {
        let script = """
            . /usr/share/bash-completion/bash_completion
            answer() {
                COMP_WORDS=("$@")
                COMP_CWORD=$(($# - 1))
                COMP_LINE="$*"
                COMP_POINT=${#COMP_LINE}
                COMPREPLY=()
                _completion_loader "$1"
                local handler
                handler=$(complete -p "$1" | sed 's/.* -F \\([^ ]*\\).*/\\1/')
                "$handler" "$1" "${@: -1}" "${@: -2:1}"
                printf '%s\\n' "${COMPREPLY[@]}"
            }
            answer muster roll
            answer muster rollout st
            answer muster-agent en
            answer musterd serve --tail
            """
        let bash = try await machine.run("/bin/bash", ["--norc", "-c", script])
        let answers = bash.outputText.split(separator: "\n").map { $0.filter { !$0.isWhitespace } }
        for answer in ["rollout", "start", "enroll", "--tailnet"] {
            #expect(answers.contains(answer), "\(bash.outputText)\(bash.errorText)")
        }
        let fish = try await machine.succeed("/usr/bin/fish", ["-c", "complete -C 'muster roll'"])
        #expect(fish.contains("rollout"))
        for name in BuiltPackages.names {
            try await machine.succeed("/usr/bin/zsh", ["-n", "/usr/share/zsh/vendor-completions/_\(name)"])
        }
        let zsh = try await machine.succeed(
            "/usr/bin/zsh",
            [
                "-f", "-c",
                "autoload -U compinit; compinit -u -D; print $_comps[muster] $_comps[musterd] $_comps[muster-agent]",
            ]
        )
        #expect(zsh == "_muster _musterd _muster-agent\n")
    }
}
