import Glibc
import MusterSystem
import Synchronization

/// A minimal Debian 12 made by `debootstrap`, from the mirrors that this machine's own apt uses: one for each test process, read
/// by all of its `DebianChroot`s, changed by none, removed when the process exits.
public struct DebianTree: Sendable {
    /// The mirrors cannot be reached from here: nothing is known about what was to be tested.
    public struct Unreachable: Error, CustomStringConvertible {
        /// What was tried, and what was said.
        public let description: String

        /// What was tried, and what was said.
        public init(description: String) {
            self.description = description
        }
    }

    /// The release of Debian.
    public static let codename = "bookworm"

    /// The folder that holds it.
    let path: String

    private static let made = Mutex<Task<DebianTree, any Error>?>(nil)

    /// The tree of this process, made by the first who asks; that takes a minute or two.
    static func shared() async throws -> DebianTree {
        let task = made.withLock { made in
            let task = made ?? Task { try await make() }
            made = task
            return task
        }
        return try await task.value
    }

    private static func make() async throws -> DebianTree {
        let folder = try TemporaryFolder()
        remnants.withLock { $0.append(folder) }
        atexit(removeDebianTrees)
        // Whoever is root inside another namespace, and nobody, have to pass here.
        chmod(folder.path, 0o711)
        let sources = await DebianSources.ofThisMachine()
        try await bootstrap(folder, sources)
        let tree = DebianTree(path: folder.file("tree"))
        try await tree.prepare(sources)
        return tree
    }

    /// Keeps the folder of the tree until the process exits.
    fileprivate static let remnants = Mutex<[TemporaryFolder]>([])

    private static func bootstrap(_ folder: TemporaryFolder, _ sources: DebianSources) async throws {
        let tree = folder.file("tree")
        var said = ""
        for attempt in 1...3 {
            // In namespaces of its own, so that nothing that it mounts or starts can be left behind.
            let status = try await RunningProgram.run(
                "/usr/bin/unshare",
                [
                    "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "/usr/sbin/debootstrap",
                    "--variant=minbase", codename, tree, sources.mirror,
                ],
                environment: ["PATH": Command.plainEnvironment["PATH"] ?? "", "LC_ALL": "C.UTF-8"],
                log: folder.file("debootstrap-\(attempt).log"),
                timeout: .seconds(1200)
            )
            if status == 0 { return }
            said = String(
                decoding: try folder.read("debootstrap-\(attempt).log")?.suffix(1500) ?? [],
                as: UTF8.self
            )
            TemporaryFolder.removeTree(tree)
        }
        let failure = "debootstrap of \(codename) from \(sources.mirror) failed three times: \(said)"
        let isAway = ["Failed getting release file", "Couldn't download", "Couldn't retrieve"].contains {
            said.contains($0)
        }
        throw isAway ? Unreachable(description: failure) : RunningProgram.Failure(failure)
    }

    private func prepare(_ sources: DebianSources) async throws {
        try AtomicFile.write(Array(sources.list.utf8), to: path + "/etc/apt/sources.list", mode: 0o644)
        let settings = ["Acquire::Retries \"5\";", "APT::Install-Recommends \"false\";"] + sources.settings
        let text = settings.map { $0 + "\n" }.joined()
        try AtomicFile.write(Array(text.utf8), to: path + "/etc/apt/apt.conf.d/00tests", mode: 0o644)
    }
}

private nonisolated func removeDebianTrees() {
    DebianTree.remnants.withLock { $0 = [] }
}
