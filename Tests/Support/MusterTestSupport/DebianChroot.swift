import CLinux
import Glibc
import MusterSystem

/// A private copy of a minimal Debian 12, with mount and process namespaces of its own: what happens inside is seen and reached
/// by nobody outside, except through the network and the folders that it shares.
///
/// The copy is an overlay over `DebianTree`, where the kernel allows that, else a real one. Its processes live as long as a
/// process that this one keeps: when the tests close its pipe, or die of whatever cause, the kernel ends all of them and with
/// the last of them undoes every mount; the files go with their folder below `TMPDIR`.
public final class DebianChroot: Sendable {
    /// What process 1 of the copy is.
    public enum FirstProcess: String, Sendable {
        /// A shell that waits and reaps.
        case idle = "sleep infinity & wait"
        /// The program `/sbin/init` of whichever package is installed.
        case initProgram = "exec /sbin/init"
    }

    /// Why there can be none here; nil where there can.
    public static var obstacle: String? {
        if geteuid() != 0 { return "only root can make file systems of its own" }
        for path in ["/usr/sbin/debootstrap", "/usr/bin/unshare", "/usr/bin/nsenter", "/usr/bin/apt-get"]
        where access(path, X_OK) != 0 {
            return "\(path) is not installed"
        }
        let status = (try? BoundedFile.read("/proc/self/status", limit: 65536)) ?? []
        let line = String(decoding: status, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("CapEff:") }
        let capabilities = line.flatMap { UInt64($0.dropFirst(7).filter { $0 != "\t" }, radix: 16) } ?? 0
        let mounting: UInt64 = 1 << 21
        return capabilities & mounting == 0 ? "nothing may be mounted here (CAP_SYS_ADMIN)" : nil
    }

    private let folder: TemporaryFolder
    private let keeper: RunningProgram
    private let lifeline: OpenFile
    /// Process 1 of the copy, as it is called outside.
    public let first: pid_t

    // MARK: Life

    /// Runs `body` with a new copy, which is ended whatever happens.
    ///
    /// `shared` are folders that are seen inside at the same path, and can be written; `network` says whether the copy has a
    /// network of its own, in which there is only loopback.
    public static func run<Result: Sendable>(
        sharing shared: [String] = [],
        ownNetwork network: Bool = false,
        first: FirstProcess = .idle,
        _ body: @Sendable (DebianChroot) async throws -> Result
    ) async throws -> Result {
        let files = try await Files(tree: try await DebianTree.shared())
        return try await files.run(sharing: shared, ownNetwork: network, first: first, body)
    }

    /// The files of a copy, in which one set of processes after another may run, as if the machine were started again.
    public struct Files: Sendable {
        fileprivate let tree: DebianTree
        fileprivate let folder: TemporaryFolder

        /// A new copy of the tree of this process.
        public init() async throws {
            try await self.init(tree: try await DebianTree.shared())
        }

        fileprivate init(tree: DebianTree) async throws {
            self.tree = tree
            folder = try TemporaryFolder()
            chmod(folder.path, 0o711)
            for name in ["root", "upper", "work"] { try Directory.create(folder.file(name), mode: 0o755) }
        }

        /// Runs `body` while the copy is alive; afterwards its processes are gone, and its files are as they were left.
        public func run<Result: Sendable>(
            sharing shared: [String] = [],
            ownNetwork network: Bool = false,
            first: FirstProcess = .idle,
            _ body: @Sendable (DebianChroot) async throws -> Result
        ) async throws -> Result {
            let chroot = try await DebianChroot(self, shared, network, first)
            do {
                let result = try await body(chroot)
                await chroot.end()
                return result
            } catch {
                await chroot.end()
                throw error
            }
        }
    }

    private init(_ files: Files, _ shared: [String], _ network: Bool, _ firstProcess: FirstProcess) async throws {
        folder = files.folder
        var ends: [Int32] = [-1, -1]
        guard clinux_pipe(&ends) == 0 else { throw SystemError("create", "a pipe", errno: errno) }
        let reading = OpenFile(descriptor: ends[0], path: "pipe")
        lifeline = OpenFile(descriptor: ends[1], path: "pipe")
        let log = folder.file("keeper.log")
        unlink(log)
        keeper = try RunningProgram(
            "/bin/sh",
            [
                "-c", Self.keeping, "keeper", network ? "--net" : "--uts", Self.mounting, files.tree.path, folder.path,
                firstProcess.rawValue,
            ] + shared,
            environment: Command.plainEnvironment,
            input: reading,
            log: log
        )
        var found: pid_t?
        for _ in 0..<12000 where found == nil {
            let lines = keeper.output.split(separator: "\n")
            if lines.contains("ready") {
                found = lines.first { $0.hasPrefix("pid ") }.flatMap { pid_t($0.dropFirst(4)) }
            }
            if found == nil, await keeper.exit(within: .milliseconds(10)) != nil { break }
        }
        guard let found else {
            await keeper.end()
            throw RunningProgram.Failure("cannot start a copy of \(files.tree.path): \(keeper.output)")
        }
        first = found
    }

    /// Ends every process of the copy, and waits until they are gone.
    private func end() async {
        var byte: UInt8 = 10
        _ = write(lifeline.descriptor, &byte, 1)
        if await keeper.exit(within: .seconds(30)) == nil { await keeper.end() }
        for _ in 0..<3000 where access("/proc/\(first)", F_OK) == 0 {
            try? await Task.sleep(for: .milliseconds(10))
        }
    }

    /// Waits for a line, or the end of the pipe, and then ends process 1, and with it all others.
    private static let keeping = """
        network=$1 script=$2
        shift 2
        trap : TERM
        unshare --mount --pid --uts --ipc "$network" --fork --kill-child /bin/sh -e -c "$script" inside "$@" </dev/null &
        child=$!
        (wait_for() { while kill -0 $child 2>/dev/null; do sleep 1; done; }; wait_for; kill $$ 2>/dev/null) &
        watcher=$!
        read -r end
        kill $watcher 2>/dev/null
        kill -KILL $child
        wait $child
        exit 0
        """

    /// Mounts what the copy needs, and becomes its process 1.
    private static let mounting = """
        tree=$1 folder=$2 first=$3
        shift 3
        root=$folder/root
        mount --make-rprivate /
        layers=lowerdir=$tree,upperdir=$folder/upper,workdir=$folder/work
        if ! mount -t overlay overlay -o "$layers" "$root" 2>/dev/null; then
            [ -d "$root/usr" ] || cp -a "$tree/." "$root/"
        fi
        read -r pid rest </proc/self/stat
        for path in "$@"; do
            mkdir -p "$root$path"
            mount --bind "$path" "$root$path"
        done
        mount -t proc proc "$root/proc"
        mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
        rm -f "$root/dev/ptmx"
        ln -s pts/ptmx "$root/dev/ptmx"
        echo "pid $pid"
        exec chroot "$root" /bin/sh -c "echo ready; $first"
        """

    // MARK: Programs in it

    /// The program and arguments that run `program` in the copy; it gets TERM when the one outside ends.
    public func entering(_ program: String, _ arguments: [String]) -> (program: String, arguments: [String]) {
        let place = ["--target", "\(first)", "--mount", "--pid", "--uts", "--ipc", "--net", "--root", "--wdns=/"]
        return (
            "/usr/bin/nsenter", place + ["--", "/usr/bin/setpriv", "--pdeathsig", "TERM", "--", program] + arguments
        )
    }

    /// Runs a program in the copy to its end.
    public func run(
        _ program: String,
        _ arguments: [String],
        input: [UInt8] = [],
        environment: [String: String] = [:],
        timeout: Duration = .seconds(600)
    ) async throws -> CommandResult {
        let command = entering(program, arguments)
        var variables = Command.plainEnvironment
        variables["HOME"] = "/root"
        variables["DEBIAN_FRONTEND"] = "noninteractive"
        // Proxies are named there, too.
        for (name, value) in Command.ownEnvironment where name.lowercased().hasSuffix("_proxy") {
            variables[name] = value
        }
        variables.merge(environment) { $1 }
        return try await Command(command.program, command.arguments, environment: variables, input: input).run(
            timeout: timeout,
            outputLimit: 1 << 22
        )
    }

    /// Runs a program in the copy that must exit with 0; returns what it printed.
    @discardableResult
    public func succeed(_ program: String, _ arguments: [String], input: [UInt8] = []) async throws -> String {
        let result = try await run(program, arguments, input: input)
        guard result.succeeded else {
            throw RunningProgram.Failure(
                "in the copy of Debian: \(program) \(arguments.joined(separator: " ")) \(result.endingText): "
                    + "\(result.outputText.suffix(2000))\(result.errorText.suffix(2000))"
            )
        }
        return result.outputText
    }

    /// Runs lines of the shell in the copy, of which none may fail; returns what they printed.
    @discardableResult
    public func shell(_ script: String) async throws -> String {
        try await succeed("/bin/sh", ["-e", "-c", script])
    }

    /// Installs packages, such as `lintian` or `openssh-server=1:9.2p1-2+deb12u9`, without starting any of their services.
    public func install(_ packages: [String]) async throws {
        if !Directory.exists(file("/var/lib/apt/lists/lock")) { try await updateLists() }
        let policy = file("/usr/sbin/policy-rc.d")
        try AtomicFile.write(Array("#!/bin/sh\nexit 101\n".utf8), to: policy, mode: 0o755)
        defer { unlink(policy) }
        let options = ["install", "-q", "-y", "--no-install-recommends", "--allow-downgrades"]
        try await succeed("/usr/bin/apt-get", options + packages)
    }

    /// Lets apt learn what there is.
    public func updateLists() async throws {
        var said = ""
        for _ in 0..<3 {
            let result = try await run("/usr/bin/apt-get", ["update", "-q", "--error-on=any"])
            if result.succeeded { return }
            said = result.errorText
        }
        throw DebianTree.Unreachable(description: "apt-get update in the copy of Debian failed three times: \(said)")
    }

    /// How a file of the copy is called outside, while the copy is alive.
    public func file(_ path: String) -> String { "/proc/\(first)/root\(path)" }
}
