import MusterSystem
import MusterTestSupport
import PackageInstaller
import Testing

/// There is no systemd where these run: a program in its place answers `show`, `restart` and `daemon-reload` in systemctl's own
/// words, as they were seen with systemd 252, and writes down what it was asked.
@Suite struct UnitRestartsTests {
    private let folder: TemporaryFolder
    private let restarts: UnitRestarts

    init() throws {
        folder = try TemporaryFolder()
        let program = try folder.write("systemctl", Self.script.utf8)
        try AtomicFile.write(Array(Self.script.utf8), to: program, mode: 0o755)
        try Directory.create(folder.file("units"), mode: 0o755)
        restarts = UnitRestarts(Systemd(systemctl: program, sign: folder.file("units")))
    }

    private static let script = """
        #!/bin/sh
        here=$(dirname "$0")
        shift
        verb=$1
        shift
        echo "$verb $*" >> "$here/log"
        case $verb in
        show)
            unit=$here/units/$3
            if [ -e "$unit" ]; then cat "$unit"; else
                printf 'LoadState=not-found\\nActiveState=inactive\\nMainPID=0\\nInvocationID=\\nNeedDaemonReload=no\\n'
            fi ;;
        restart)
            unit=$here/units/$2
            [ -e "$unit" ] || { echo "Failed to restart $2: Unit $2 not found." >&2; exit 5; }
            grep -q broken "$unit" && { echo "Job for $2 failed." >&2; exit 1; }
            sed -i 's/^InvocationID=.*/InvocationID=restarted/; s/^ActiveState=.*/ActiveState=active/' "$unit" ;;
        esac
        """

    private func unit(_ name: String, _ active: String = "active", invocation: String = "one", more: String = "") throws
    {
        try folder.write(
            "units/" + name,
            """
            MainPID=41
            NeedDaemonReload=\(more.contains("outdated") ? "yes" : "no")
            ActiveEnterTimestampMonotonic=12345678
            InvocationID=\(invocation)
            LoadState=loaded
            ActiveState=\(active)
            Description=\(more)

            """.utf8
        )
    }

    private func log() throws -> [String] {
        let text = String(decoding: try folder.read("log") ?? [], as: UTF8.self)
        return text.split(separator: "\n").map(String.init).filter { !$0.hasPrefix("show") }
    }

    @Test("a unit that the package left as it was is restarted; one that it restarted itself is not")
    func onlyWhereNeeded() async throws {
        let units = ["left.service", "done.service"]
        for name in units { try unit(name) }
        let before = await restarts.look(at: units)
        try unit("done.service", invocation: "two")
        #expect(try await restarts.finish(units, since: before) == ["left.service"])
        #expect(try log() == ["restart -- left.service"])
    }

    @Test("a unit that was stopped stays stopped, one that has failed gets another chance, an unknown one is let be")
    func states() async throws {
        try unit("stopped.service", "inactive")
        try unit("failed.service", "failed")
        let units = ["stopped.service", "failed.service", "unknown.service"]
        let before = await restarts.look(at: units)
        #expect(try await restarts.finish(units, since: before) == ["failed.service"])
    }

    @Test("a unit that came with the package is the package's business")
    func new() async throws {
        let before = await restarts.look(at: ["new.service"])
        try unit("new.service")
        #expect(try await restarts.finish(["new.service"], since: before) == [])
    }

    @Test("units whose files have changed are read again first")
    func outdated() async throws {
        try unit("a.service", more: "outdated")
        let before = await restarts.look(at: ["a.service"])
        _ = try await restarts.finish(["a.service"], since: before)
        #expect(try log() == ["daemon-reload ", "restart -- a.service"])
    }

    @Test("a restart that fails is an error with systemd's words")
    func broken() async throws {
        try unit("a.service", more: "broken")
        let before = await restarts.look(at: ["a.service"])
        let error = await #expect(throws: PackageError.self) {
            try await restarts.finish(["a.service"], since: before)
        }
        #expect(error?.message.contains("Job for a.service failed") == true)
    }

    @Test("where systemd does not run, nothing is asked and nothing restarted")
    func none() async throws {
        try unit("a.service")
        let restarts = UnitRestarts(Systemd(systemctl: folder.file("systemctl"), sign: folder.file("none")))
        let before = await restarts.look(at: ["a.service"])
        #expect(try await restarts.finish(["a.service"], since: before) == [])
        #expect(try folder.read("log") == nil)
    }
}
