import MusterSystem

/// Where this machine's own apt takes Debian from.
struct DebianSources: Sendable {
    /// The archive with the whole release.
    let mirror: String
    /// The lines of a `sources.list`.
    let list: String
    /// How this machine's apt goes through a proxy, as lines of an `apt.conf`.
    let settings: [String]

    private static let usual = """
        deb http://deb.debian.org/debian bookworm main
        deb http://deb.debian.org/debian bookworm-updates main
        deb http://deb.debian.org/debian-security bookworm-security main

        """

    /// Reads apt's configuration; Debian's own servers where it names none for this release.
    static func ofThisMachine() async -> DebianSources {
        let format = "$(ORIGIN) $(REPO_URI) $(CODENAME) $(COMPONENT)"
        let said = await output("/usr/bin/apt-get", ["indextargets", "--format", format, "Created-By: Packages"])
        let lines: [[Substring]] = said.split(separator: "\n").map { $0.split(separator: " ") }
        let found = lines.filter { words in
            guard words.count == 4, words[0] == "Debian", words[3] == "main" else { return false }
            return words[2].hasPrefix(DebianTree.codename)
        }
        let settings = await output("/usr/bin/apt-config", ["dump"]).split(separator: "\n").filter {
            $0.hasPrefix("Acquire::") && $0.contains("::Proxy")
        }
        guard let whole = found.first(where: { $0[2] == DebianTree.codename }) else {
            return DebianSources(
                mirror: "http://deb.debian.org/debian",
                list: usual,
                settings: settings.map(String.init)
            )
        }
        return DebianSources(
            mirror: String(whole[1]),
            list: found.map { "deb \($0[1]) \($0[2]) \($0[3])\n" }.joined(),
            settings: settings.map(String.init)
        )
    }

    private static func output(_ program: String, _ arguments: [String]) async -> String {
        let result = try? await Command(program, arguments).run(timeout: .seconds(60), outputLimit: 1 << 20)
        return result?.outputText ?? ""
    }
}
