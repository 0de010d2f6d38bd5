import ByteCoding
import CanonicalJSON
import MusterModel
import MusterTestSupport
import Testing

@testable import MusterAgent

@Suite struct UpgradeJournalTests {
    static let time = UTCTime(seconds: 1_800_000_000)

    static func journal() throws -> UpgradeJournal {
        var fleet = try FleetSimulator(time: time)
        let release = ReleaseDescription(
            package: "probe",
            version: "2.0",
            architecture: "all",
            counter: 2,
            security: false,
            released: time,
            healthChecks: [HealthCheck(probe: .tcp(host: "localhost", port: 80))],
            notes: ""
        )
        fleet.add("releases/probe_2.0_all.deb", [1, 2, 3], release)
        let body = try fleet.upgrade(to: "releases/probe_2.0_all.deb")
        let statement = try fleet.statement(.upgrade(body))
        return UpgradeJournal(
            assignment: fleet.assignment("releases/probe_2.0_all.deb", statement),
            release: release,
            target: body.targets[0],
            at: time
        )
    }

    @Test("the way through a good upgrade, and each phase read back as it was written")
    func good() throws {
        var journal = try Self.journal()
        let source = RollbackSource.file(InstalledRelease(target: journal.target, version: "1.0", counter: 1))
        let steps: [(UpgradeJournal.Event, UpgradePhase)] = [
            (.downloaded, .downloaded), (.verified, .verified), (.saved(source), .saved), (.begun, .installing),
            (.resumed, .installing), (.installed(confirmUntil: Self.time.adding(seconds: 60)), .confirming),
            (.confirmed(""), .done),
        ]
        for (index, step) in steps.enumerated() {
            try journal.apply(step.0, at: Self.time.adding(seconds: Int64(index)))
            #expect(journal.phase == step.1)
            #expect(try UpgradeJournal(JSONFields(journal.json)) == journal)
        }
        #expect(journal.begun == 2)
        #expect(journal.source == source)
    }

    @Test("each time that a version begins to prove itself is counted, and its time begins anew")
    func proofs() throws {
        var journal = try Self.journal()
        for event in [.downloaded, .verified, .saved(.remove), .begun] as [UpgradeJournal.Event] {
            try journal.apply(event, at: Self.time)
        }
        try journal.apply(.installed(confirmUntil: Self.time.adding(seconds: 60)), at: Self.time)
        #expect(journal.proofs == 1)
        try journal.apply(.confirmedAgain(confirmUntil: Self.time.adding(seconds: 90)), at: Self.time)
        #expect(journal.proofs == 2)
        #expect(journal.confirmUntil == Self.time.adding(seconds: 90))
        #expect(try UpgradeJournal(JSONFields(journal.json)) == journal)
    }

    @Test("the time in which a version proves itself or goes is known before it is installed")
    func proofSeconds() {
        var limits = UpgradeLimits()
        #expect(limits.proofSeconds([]) == 125)
        limits.secondNodeSeconds = 300
        let check = HealthCheck(probe: .command(["true"]), timeoutSeconds: 10, attempts: 3)
        #expect(limits.proofSeconds([check, check]) == 2 * 3 * 23 + 300 + 5)
    }

    @Test("no event leads from before the installation to after it but by installing, nor out of an end")
    func onlyThroughInstalling() throws {
        let source = RollbackSource.remove
        let events: [UpgradeJournal.Event] = [
            .downloaded, .verified, .saved(source), .fileLost, .begun, .resumed, .installed(confirmUntil: Self.time),
            .unchanged("x"), .undone("x"), .confirmed(""), .putBack, .refused("x"), .failed("x"),
            .withdrawn("x"),
        ]
        for phase in UpgradePhase.allCases {
            for event in events {
                var journal = try Self.journal()
                journal.phase = phase
                guard (try? journal.apply(event, at: Self.time)) != nil else { continue }
                #expect(!phase.isFinal, "\(event) follows \(phase)")
                if phase.isBeforeInstall {
                    let allowed =
                        [.installing, .refused, .failed, .withdrawn].contains(journal.phase)
                        || journal.phase.isBeforeInstall
                    #expect(allowed || (phase == .assigned && journal.phase == .done), "\(event) leads from \(phase)")
                } else {
                    #expect(!journal.phase.isBeforeInstall, "\(event) leads back from \(phase)")
                }
                if journal.phase == .installing, phase != .installing { #expect(phase == .saved) }
            }
        }
    }

    @Test("a reason of any length fits a report")
    func longReason() throws {
        var journal = try Self.journal()
        try journal.apply(.refused(String(repeating: "é", count: 5000)), at: Self.time)
        let progress = journal.progress(version: "1.0")
        #expect(progress.reason.utf8.count <= 2048)
        #expect(try NodeProgress(JSONFields(progress.json)) == progress)
    }

    @Test("waits grow, spread by the seed, and end")
    func backoff() {
        let policy = Backoff.Policy(attempts: 6, first: 1000, longest: 8000)
        var one = Backoff(policy, seed: 1)
        var same = Backoff(policy, seed: 1)
        var bounds: [(Int64, Int64)] = [
            (500, 1000), (1000, 2000), (2000, 4000), (4000, 8000), (4000, 8000), (4000, 8000),
        ]
        while let wait = one.next() {
            #expect(same.next() == wait)
            let (low, high) = bounds.removeFirst()
            #expect((Duration.milliseconds(low)...Duration.milliseconds(high)).contains(wait))
        }
        #expect(bounds.isEmpty)
        one.reset()
        #expect(one.next() != nil)
    }
}
