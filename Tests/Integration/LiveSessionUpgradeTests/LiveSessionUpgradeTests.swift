import CanonicalJSON
import MusterSystem
import MusterTestSupport
import Synchronization
import Testing

/// Debian's own openssh-server is upgraded by the real agent, from signed releases of Debian's own packages, in a copy of Debian
/// with an init of its own, under sessions that say something every 50 ms.
@Suite(
    "openssh-server upgraded under open sessions",
    .enabled(if: DebianChroot.obstacle == nil, "\(DebianChroot.obstacle ?? "")")
)
struct LiveSessionUpgradeTests {
    private static let sessions = 20
    private static let node = "gateway"
    /// Fails until somebody says that the version is good.
    private static let check = ["--health-command", "/usr/bin/test -e /etc/good"]

    /// The copy in which the agent runs, once there is one.
    private final class Place: Sendable {
        let chroot = Mutex<DebianChroot?>(nil)
    }

    @Test("twenty sessions stay open while a new openssh-server is installed, put back, and installed again")
    func openSSH() async throws {
        let machine: OpenSSHMachine
        do {
            machine = try await OpenSSHMachine.installed()
        } catch let error as DebianTree.Unreachable {
            print("LiveSessionUpgradeTests: not run: \(error)")
            try Test.cancel("\(error)")
        }
        let place = Place()
        try await FleetFixture.run(placement: Self.placement(place)) { fleet in
            let shared = [fleet.folder.path, try Self.buildFolder(), try Self.runtimeFolder()]
            try await machine.files.run(sharing: shared, first: .initProgram) { chroot in
                place.chroot.withLock { $0 = chroot }
                try await Self.upgrade(machine, chroot, fleet)
            }
        }
    }

    private static func upgrade(_ machine: OpenSSHMachine, _ chroot: DebianChroot, _ fleet: FleetFixture) async throws {
        try await machine.waitUntilReachable(chroot)
        try await release(machine.packages.old, fleet)
        try await release(machine.packages.new, fleet, check)
        try await fleet.addNodes([node])
        let echoing = try EchoSessions(sessions, machine.arguments("exec cat"), log: fleet.folder.file("ssh.log"))
        do {
            try await waitForAll(echoing)
            let begun = try await story(machine, chroot)
            #expect(begun.installed == ["\(machine.versions.old) installed"])

            let said = try await fleet.muster(start(machine.versions.new), status: 1)
            #expect(said.contains("rolled-back"), "\(said)")
            let back = try await story(machine, chroot)
            #expect(back.installed == begun.installed)
            #expect(back.banner == begun.banner)
            #expect(back.listener != begun.listener, "sshd was not restarted")

            try await chroot.shell("touch /etc/good")
            try await fleet.muster(start(machine.versions.new))
            let after = try await story(machine, chroot)
            #expect(after.installed == ["\(machine.versions.new) installed"])
            #expect(after.banner != begun.banner)
            #expect(after.listener != back.listener, "sshd was not restarted")
            #expect(try await machine.logIn("echo welcome") == "welcome\n")
        } catch {
            let story = await echoing.end()
            throw RunningProgram.Failure("\(error)\nsessions meanwhile: \(story)")
        }
        let story = await echoing.end()
        print(
            "LiveSessionUpgradeTests: openssh-server \(machine.versions.old) -> \(machine.versions.new), put back, and again, "
                + "under \(sessions) sessions: \(story.dropped.count) dropped, \(story.returned) of \(story.sent) lines came "
                + "back, worst gap \(story.worstGap) ms (a line every \(EchoSessions.pause) ms), "
                + "slowest echo \(story.worstEcho) ms"
        )
        #expect(story.dropped.isEmpty)
        #expect(story.returned == story.sent)
        #expect(story.answering == sessions)
    }

    // MARK: Steps

    /// One release of several packages that need each other.
    private static func release(_ packages: [String], _ fleet: FleetFixture, _ options: [String] = []) async throws {
        let folder = fleet.folder.file("packages")
        try Directory.create(folder, mode: 0o755)
        let said = try await fleet.muster(["release", "bundle", "--output", folder] + packages)
        let line = try #require(said.split(separator: "\n").first { $0.hasPrefix("written to ") })
        try await fleet.muster(["release", "add", String(line.dropFirst(11))] + options + fleet.passphrase)
    }

    private static func start(_ version: String) -> [String] {
        [
            "rollout", "start", OpenSSHMachine.packages[0], version, "--on", "tag:web", "--stages", "100%",
            "--bake", "0s", "--yes", "--watch",
        ]
    }

    private static func waitForAll(_ echoing: EchoSessions) async throws {
        for _ in 0..<1200 {
            let story = echoing.story
            if story.answering == sessions { return }
            guard story.dropped.isEmpty else { break }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw RunningProgram.Failure("not all sessions answer")
    }

    /// What is installed, who listens, and what it calls itself.
    private static func story(
        _ machine: OpenSSHMachine,
        _ chroot: DebianChroot
    ) async throws -> (installed: Set<String>, listener: String, banner: String) {
        try await machine.waitUntilReachable(chroot)
        let banner = try await Command("/usr/bin/ssh", ["-v"] + machine.arguments("true")).run(timeout: .seconds(120))
        // ssh ends its own lines with a carriage return too, which Swift takes for one character with the newline.
        let line = banner.errorText.split(whereSeparator: \.isNewline).first { $0.contains("remote software version") }
        return (
            try await machine.installed(chroot), try machine.listener(chroot),
            line.map(String.init) ?? banner.errorText
        )
    }

    // MARK: Where things are

    /// The agent within the copy, everybody else outside.
    private static func placement(_ place: Place) -> FleetPlacement {
        var placement = FleetPlacement()
        placement.agentRoot = "/"
        placement.agentSettings = ", \"ssh\": {\"on\": false}"
        placement.command = { who, program, arguments in
            guard who == node, let chroot = place.chroot.withLock({ $0 }) else { return (program, arguments) }
            return chroot.entering(program, arguments)
        }
        return placement
    }

    private static func buildFolder() throws -> String {
        Directory.parent(of: try BuiltProgram("muster-agent").path)
    }

    /// Where the Swift runtime is that these tests, and the agent, are linked with.
    private static func runtimeFolder() throws -> String {
        let maps = String(decoding: try BoundedFile.read("/proc/self/maps", limit: 1 << 22), as: UTF8.self)
        let line = maps.split(separator: "\n").first { $0.hasSuffix("/libswiftCore.so") }
        guard let line, let start = line.firstIndex(of: "/") else {
            throw RunningProgram.Failure("the Swift runtime is not to be found")
        }
        return Directory.parent(of: String(line[start...]))
    }
}
