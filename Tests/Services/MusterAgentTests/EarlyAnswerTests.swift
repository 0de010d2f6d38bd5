import AgentTestSupport
import ByteCoding
import Logging
import MusterAPI
import MusterModel
import MusterSystem
import MusterTestSupport
import Synchronization
import TUFClient
import Testing

@testable import MusterAgent

/// A service that ends a question for a manifest before its time says: look at the repository.
@Suite("an answer before its time")
struct EarlyAnswerTests {
    /// A clock that goes on only where somebody waits.
    private final class Timeline: Sendable {
        private let milliseconds = Mutex<Int64>(1_000_000)
        private let slept = Mutex<[Int64]>([])

        var pauses: [Int64] { slept.withLock { $0 } }

        func advance(_ count: Int64) { milliseconds.withLock { $0 += count } }

        var clock: AgentClock {
            AgentClock(
                now: WallClock.now,
                monotonic: { self.milliseconds.withLock { $0 } },
                sleep: { duration throws(CancellationError) in
                    let count = Int64(duration / .milliseconds(1))
                    self.slept.withLock { $0.append(count) }
                    self.advance(count)
                },
                random: { 4 }
            )
        }
    }

    /// A service without manifests that answers each question after so many milliseconds.
    private struct SilentService: FleetService {
        let timeline: Timeline
        let after: Int64

        func report(_ report: NodeReport) async throws(FleetServiceError) -> ReportReply {
            ReportReply(nextSeconds: 60, time: WallClock.now())
        }

        func manifest(after sequence: Int64, wait: Int) async throws(FleetServiceError) -> [UInt8]? {
            timeline.advance(after)
            return nil
        }
    }

    /// One turn of an agent whose questions may take 55 seconds; how often it looked at the repository.
    private func looks(answer after: Int64, turns: Int, _ fixture: NodeFixture) async throws -> Int {
        let timeline = Timeline()
        let looks = Mutex(0)
        let agent = try await TestAgent(
            fixture.folder.path,
            transport: fixture.transport,
            service: SilentService(timeline: timeline, after: after),
            wait: 55,
            clock: timeline.clock,
            trusted: { _ in looks.withLock { $0 += 1 } }
        ).agent
        for _ in 0..<turns { #expect(await agent.turn() == nil) }
        return looks.withLock { $0 }
    }

    @Test("an early answer makes the agent look at the repository at once; one in time, whole seconds aside, does not")
    func turns() async throws {
        try await withNode { fixture in
            // The first turn looks at the repository anyway.
            let expected: [(answer: Int64, turns: Int, looks: Int)] = [
                (55_000, 1, 1), (53_000, 1, 1), (52_999, 1, 2), (0, 1, 2), (55_000, 3, 1), (20_000, 3, 4),
            ]
            for (answer, turns, looks) in expected {
                let found = try await self.looks(answer: answer, turns: turns, fixture)
                #expect(found == looks, "\(turns) turns, answers after \(answer) ms")
            }
        }
    }

    @Test("what became of a question says whether it ended early")
    func poll() async throws {
        try await withNode { fixture in
            for (after, wait, isEarly) in [(0, 55, true), (52_999, 55, true), (53_000, 55, false), (0, 0, false)] {
                let timeline = Timeline()
                let agent = try await fixture.agent()
                let queue = AssignmentQueue(
                    state: agent.state,
                    authority: try trust(fixture, timeline.clock),
                    service: SilentService(timeline: timeline, after: Int64(after)),
                    runs: nil,
                    clock: timeline.clock,
                    logger: Logger(label: "test")
                )
                guard case .nothing(let early) = await queue.poll(wait: wait) else {
                    Issue.record("there is no manifest")
                    continue
                }
                #expect(early == isEarly, "\(after) of \(wait)")
            }
        }
    }

    @Test("looks follow each other by a second at the least, also where the repository cannot be read")
    func pause() async throws {
        try await withNode { fixture in
            for isBroken in [false, true] {
                if isBroken { try TestAgent.repository(fixture.folder.path).write(["metadata/timestamp.json": []]) }
                let timeline = Timeline()
                let trust = try trust(fixture, timeline.clock)
                await trust.lookAgain()
                #expect(timeline.pauses.isEmpty, "the first look waits for nothing")
                await trust.lookAgain()
                timeline.advance(400)
                await trust.lookAgain()
                timeline.advance(1000)
                await trust.lookAgain()
                #expect(timeline.pauses == [1000, 600], "\(isBroken)")
            }
        }
    }

    private func trust(_ fixture: NodeFixture, _ clock: AgentClock) throws -> NodeTrust {
        let client = TUFClient(
            directory: MetadataDirectory(TestAgent.paths(fixture.folder.path).metadata),
            fetcher: FolderRepository(fixture.folder.path + "/repository/metadata")
        )
        return NodeTrust(
            source: FleetTrustSource(
                client: client,
                targets: FolderRepository(fixture.folder.path + "/repository/targets")
            ),
            fleet: fixture.fleet.fleet,
            node: TestAgent.node,
            architecture: "amd64",
            releases: ReleaseNames(),
            clock: clock,
            logger: Logger(label: "test")
        )
    }
}
