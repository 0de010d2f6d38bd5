import ByteCoding
import Logging
import MusterModel
import MusterSystem
import MusterTestSupport
import PackageInstaller
import SignatureVerification
import Synchronization

@testable import MusterAgent

/// A node whose agent is upgraded from 1.0 to 2.0, with a package manager, an init and a clock of its own; the files are real.
///
/// Before each thing that the watcher does a picture is taken of everything: that is what a power cut leaves behind.
final class WatchedNode: Sendable {
    /// What the new agent is like, and its package.
    enum Story: String, CaseIterable {
        case good
        case neverSpeaks
        case saysNo
        case doesNotRestart
        case failsUntouched
        case failsHalfWay
        case locked
        case neverEnds
    }

    /// Everything that a power cut leaves behind.
    struct Picture: Sendable {
        var package = PackageState.installed(version: "1.0")
        var running = "1.0"
        var now: Int64 = 1_000_000
        var boot = "first"
        var files: [String: [UInt8]] = [:]
        var installs = 0
    }

    let paths: AgentPaths
    let plan: WatchPlan
    private let story: Story
    private let folder: TemporaryFolder
    private let world: Mutex<(now: Picture, album: [Picture], isOpen: Bool)>

    /// A node with the watcher prepared; `previous` is the version that it comes from.
    init(_ story: Story, previous: String = "1.0") throws {
        self.story = story
        folder = try TemporaryFolder()
        paths = AgentPaths(folder.file("state"))
        try paths.create()
        let before = Array("package before \(previous)".utf8)
        func file(_ version: String, _ bytes: [UInt8]) -> InstalledRelease {
            let target = UpgradeBody.Target(
                path: "releases/muster-agent_\(version)_all.deb",
                length: Int64(bytes.count),
                sha256: Digest.sha256(bytes)
            )
            return InstalledRelease(target: target, version: version, counter: 1)
        }
        let release = ReleaseDescription(
            package: "muster-agent",
            version: "2.0",
            architecture: "all",
            counter: 2,
            security: false,
            released: UTCTime(seconds: 1_800_000_000),
            healthChecks: [],
            notes: ""
        )
        guard let rollout = RolloutID("00112233445566778899aabbccddeeff") else { throw EnrollmentError("no id") }
        plan = WatchPlan(
            rollout: rollout,
            release: release,
            file: file("2.0", Array("package 2.0".utf8)),
            previous: file(previous, before),
            root: "/",
            restart: ["restart"],
            seconds: 60
        )
        try AtomicFile.write(Array("package 2.0".utf8), to: paths.downloaded(plan.file))
        try AtomicFile.write(before, to: paths.saved(plan.previous))
        let lock = try paths.watcher.place(program: "/bin/true")
        try paths.watcher.begin(plan)
        withExtendedLifetime(lock) {}
        world = Mutex((Picture(package: .installed(version: previous), running: previous), [], true))
    }

    /// How often something was installed.
    var installs: Int { now.installs }

    /// How things are.
    var now: Picture { world.withLock { $0.now } }
    /// The pictures that were taken.
    var album: [Picture] { world.withLock { $0.album } }

    /// Goes back to a picture, in the same boot or after another one; no further pictures are taken.
    func restore(_ picture: Picture, boot: String) throws {
        let folder = paths.watcher
        for file in [folder.progressFile, folder.verdictFile] {
            try AtomicFile.remove(file)
            if let bytes = picture.files[file] { try AtomicFile.write(bytes, to: file) }
        }
        var picture = picture
        if boot != picture.boot {
            picture.boot = boot
            picture.now = 5000
            // Whatever is on the disk is what an init starts.
            picture.running = picture.package.version ?? ""
        }
        world.withLock { $0 = (picture, [], false) }
    }

    /// Lets a watcher work to its end.
    func watch() async throws {
        let clock = AgentClock(
            now: { UTCTime(seconds: 1) },
            monotonic: { self.now.now },
            sleep: { duration throws(CancellationError) in
                self.look()
                self.speak()
                self.world.withLock { $0.now.now += max(1, duration.wholeMilliseconds) }
            },
            random: { 7 }
        )
        var watcher = try UpgradeWatcher(
            plan,
            paths: paths,
            installer: self,
            restart: { _ in self.restart() },
            clock: clock,
            boot: now.boot,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        await watcher.run()
    }

    /// The watcher's files, by their path.
    var files: [String: [UInt8]] {
        var files: [String: [UInt8]] = [:]
        for file in [paths.watcher.progressFile, paths.watcher.verdictFile] {
            files[file] = (try? BoundedFile.readIfPresent(file, limit: 65536)) ?? nil
        }
        return files
    }

    /// Takes a picture.
    private func look() {
        let files = files
        world.withLock { world in
            guard world.isOpen else { return }
            world.now.files = files
            world.album.append(world.now)
        }
    }

    /// What the agent that runs says of itself, if anything.
    private func speak() {
        guard now.running == "2.0", let progress = try? paths.watcher.progress(), progress.phase == .waiting else {
            return
        }
        switch story {
        case .good: try? paths.watcher.claim(.confirmed(""))
        case .saysNo: try? paths.watcher.claim(.undone("a check fails"))
        default: break
        }
    }

    private func restart() -> String? {
        look()
        return world.withLock { world in
            let version = world.now.package.version ?? ""
            if story == .doesNotRestart, version == "2.0" { return "it does not come up" }
            world.now.running = version
            return nil
        }
    }
}

extension WatchedNode: PackageInstalling {
    func architecture() async throws(PackageError) -> String { "amd64" }

    func state(of package: String) async throws(PackageError) -> PackageState {
        look()
        return now.package
    }

    func versions(of packages: Set<String>) async throws(PackageError) -> [String: String] { [:] }

    func repair(_ package: String) async throws(PackageError) { throw PackageError(.failed, "nobody asked for that") }

    func restore(_ package: String, from file: OpenFile) async throws(PackageError) { try await install(file) }

    func remove(_ package: String) async throws(PackageError) { throw PackageError(.failed, "nobody asked for that") }

    func install(_ file: OpenFile) async throws(PackageError) {
        look()
        let text = (try? BoundedFile.read(file, limit: 100)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let version = String(text.split(separator: " ").last ?? "")
        world.withLock { $0.now.installs += 1 }
        // Whoever never has enough is stopped.
        if installs > 30 { withUnsafeCurrentTask { $0?.cancel() } }
        if version == "2.0" {
            switch story {
            case .locked: throw PackageError(.locked, "somebody else is at work")
            case .failsUntouched: throw PackageError(.failed, "its preinst says no")
            case .failsHalfWay, .neverEnds:
                world.withLock { $0.now.package = .partial(version: version, status: "half-configured") }
                look()
                throw PackageError(story == .neverEnds ? .hung : .failed, "its postinst says no")
            case .good, .neverSpeaks, .saysNo, .doesNotRestart: break
            }
        }
        world.withLock { $0.now.package = .partial(version: version, status: "half-installed") }
        look()
        world.withLock { $0.now.package = .installed(version: version) }
        look()
    }
}
