import CanonicalJSON
import Glibc
import Logging
import MusterModel
import MusterSystem
import MusterTestSupport
import PackageInstaller
import Testing

@testable import MusterAgent

/// The watcher with everything around it simulated, but its files.
@Suite struct UpgradeWatcherTests {
    /// The node is on one whole version, the agent that runs is that one, and the verdict says which.
    private static func expectWhole(_ node: WatchedNode, _ story: WatchedNode.Story, _ what: String) throws {
        let verdict = try node.paths.watcher.verdict()
        let version = verdict == .confirmed("") ? "2.0" : "1.0"
        #expect(verdict != nil, "\(story) \(what)")
        #expect((verdict == .confirmed("")) == (story == .good), "\(story) \(what): \(String(describing: verdict))")
        #expect(node.now.package == .installed(version: version), "\(story) \(what)")
        #expect(node.now.running == version, "\(story) \(what)")
        #expect(try node.paths.watcher.progress().phase == .ended, "\(story) \(what)")
    }

    @Test("whatever the new version is like, the node ends on one whole version", arguments: WatchedNode.Story.allCases)
    func stories(story: WatchedNode.Story) async throws {
        let node = try WatchedNode(story)
        try await node.watch()
        try Self.expectWhole(node, story, "without a power cut")
        let progress = try node.paths.watcher.progress()
        let isUntouched = story == .failsUntouched || story == .locked
        #expect(progress.hasRestarted == !isUntouched, "\(story)")
        #expect(progress.hasChanged == !isUntouched, "\(story)")
    }

    @Test(
        "killed before anything that it does, a watcher's next one ends on one whole version",
        arguments: [true, false]
    )
    func killedAnywhere(isRebooted: Bool) async throws {
        var count = 0
        for story in WatchedNode.Story.allCases {
            let node = try WatchedNode(story)
            try await node.watch()
            // While it waits nothing changes: a few looks of that are enough.
            let album = node.album
            for (index, picture) in album.enumerated() where index < 30 || index % 40 == 0 || index > album.count - 12 {
                try node.restore(picture, boot: isRebooted ? "second" : picture.boot)
                try await node.watch()
                try Self.expectWhole(node, story, "after step \(index)")
                count += 1
                await Task.yield()
            }
        }
        #expect(count > 100)
        print("UpgradeWatcherTests: killed \(count) times, \(isRebooted ? "with" : "without") a boot, whole each time")
    }

    @Test("a new version that makes the machine restart again and again is put back in the end")
    func bootLoop() async throws {
        let node = try WatchedNode(.neverSpeaks)
        try await node.watch()
        let waiting = node.album.first { picture in
            picture.files[node.paths.watcher.progressFile].map {
                String(decoding: $0, as: UTF8.self).contains("waiting")
            }
                ?? false
        }
        var picture = try #require(waiting)
        var boots = 0
        while try node.paths.watcher.verdict() == nil || boots == 0 {
            boots += 1
            try #require(boots < 10)
            try node.restore(picture, boot: "boot \(boots)")
            // It has no time to wait: as soon as it has taken over, the machine goes down again.
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                try await node.watch()
            }
            try await task.value
            picture = node.now
            picture.files = node.files
        }
        #expect(boots > 1)
        try node.restore(picture, boot: "the last one")
        try await node.watch()
        try Self.expectWhole(node, .neverSpeaks, "after \(boots) boots")
    }

    @Test("another build of the same version is put back once, and that is the end")
    func sameVersion() async throws {
        let node = try WatchedNode(.saysNo, previous: "2.0")
        try await node.watch()
        #expect(try node.paths.watcher.verdict() == .undone("a check fails"))
        #expect(node.installs == 2)
        #expect(try node.paths.watcher.progress().phase == .ended)
    }

    @Test("of two verdicts the first one counts")
    func verdicts() throws {
        let node = try WatchedNode(.good)
        let folder = node.paths.watcher
        try folder.claim(.confirmed(""))
        try folder.claim(.undone("too late"))
        #expect(try folder.verdict() == .confirmed(""))
        #expect(!folder.needsWatcher)
    }

    @Test("a plan that nobody can read stands in nobody's way once no watcher is at work, and is waited for until then")
    func damagedPlan() throws {
        let node = try WatchedNode(.good)
        let folder = node.paths.watcher
        let own = SelfUpgrade(
            node.paths,
            root: "/",
            options: SelfUpgradeOptions(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        let journal = try UpgradeJournalTests.journal()
        #expect(try !own.isWatched(journal))
        #expect(try folder.plan() == node.plan, "the plan of another upgrade is nobody's to remove here")
        try AtomicFile.write(Array("{\"rollout\": ".utf8), to: folder.planFile)
        do {
            let watcher = try FileLock.acquire(folder.lock)
            #expect(throws: SystemError.self) { try own.isWatched(journal) }
            withExtendedLifetime(watcher) {}
        }
        #expect(try !own.isWatched(journal))
        #expect(!Directory.exists(folder.planFile) && !Directory.exists(folder.program))
    }

    @Test("plan, progress and verdict are read back as they were written, with members of a later version among them")
    func files() throws {
        let node = try WatchedNode(.good)
        func later(_ value: JSONValue) throws -> JSONFields {
            guard case .object(var object) = value else { throw EnrollmentError("no object") }
            object["of_a_later_version"] = ["x": 1]
            return try JSONFields(.object(object))
        }
        #expect(try WatchPlan(later(node.plan.json)) == node.plan)
        for verdict in [WatchVerdict.confirmed("a note"), .undone("why")] {
            #expect(try WatchVerdict(later(verdict.json)) == verdict)
        }
        for phase in WatchProgress.Phase.allCases {
            var progress = WatchProgress()
            progress.phase = phase
            progress.begun = 2
            progress.isBusy = true
            progress.since = 12345
            progress.boot = "boot"
            #expect(try WatchProgress(later(progress.json)) == progress)
        }
    }

    @Test("only a process that was started after the last restart may speak for the new version")
    func ownProcess() {
        let process = OwnProcess.current
        var progress = WatchProgress()
        #expect(!process.isRestarted(progress))
        progress.hasRestarted = true
        progress.boot = process.boot
        progress.since = process.started + 1
        #expect(!process.isRestarted(progress))
        progress.since = process.started - 50
        #expect(process.isRestarted(progress))
        progress.since = .max
        progress.boot = "an earlier boot"
        #expect(process.isRestarted(progress))
        #expect(!OwnProcess.isReplaced)
        #expect(abs(MonotonicClock.milliseconds() - process.started) < 86_400_000)
    }

    @Test("where systemd runs, the watcher is a service of its own that is started again when it is killed")
    func launcher() {
        let paths = AgentPaths("/var/lib/muster-agent")
        let own = [
            "/var/lib/muster-agent/watcher/muster-agent", "watch-upgrade", "--state-dir", "/var/lib/muster-agent",
        ]
        #expect(WatcherLauncher().words(paths) == own)
        let words = WatcherLauncher(services: "/usr/bin/systemd-run").words(paths)
        #expect(words.first == "/usr/bin/systemd-run")
        #expect(words.suffix(5) == ["--"] + own)
        #expect(words.contains("Restart=on-failure"))
    }
}
