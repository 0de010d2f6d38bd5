import ByteCoding
import CanonicalJSON
import Glibc
import MusterModel
import MusterTestSupport
import Testing

@testable import MusterStore

@Suite("Durability")
struct DurabilityTests {
    private static let folder = getenv("MUSTER_STORE_VICTIM").map { String(cString: $0) }

    /// The process that is killed: writes events and reports, and notes each one that was acknowledged; ends by itself
    /// where nobody kills it.
    @Test("is only run as the victim of the other test", .enabled(if: folder != nil))
    func victim() async throws {
        guard let folder = Self.folder else { return }
        let store = try await Store.open(path: folder + "/muster.db", now: UTCTime(seconds: 1))
        let nodes = try await store.read { try $0.nodes().map(\.id) }
        let notes = open(folder + "/acknowledged", O_WRONLY | O_CREAT | O_APPEND, 0o600)
        let end = ContinuousClock.now + .seconds(300)
        await withTaskGroup(of: Void.self) { group in
            for node in nodes {
                group.addTask {
                    for round in 1... {
                        guard ContinuousClock.now < end else { return }
                        let body = Array("{\"round\":\(round)}".utf8)
                        let time = UTCTime(milliseconds: Int64(round))
                        guard
                            (try? await store.grouped.write { try $0.putReport(node: node, received: time, body: body) })
                                != nil,
                            let sequence = try? await store.write({
                                try $0.append(
                                    event: "round",
                                    actor: node.text,
                                    detail: .integer(Int64(round)),
                                    at: time
                                )
                            })
                        else { return }
                        let line = "\(node) \(round) \(sequence)\n"
                        _ = write(notes, line, line.utf8.count)
                    }
                }
            }
        }
    }

    @Test(
        "After kill -9 in the middle of writing, every acknowledged report and event is there",
        .timeLimit(.minutes(60))
    )
    func killed() async throws {
        for round in 0..<3 {
            let fixture = StoreFixture()
            defer { fixture.remove() }
            try (try await fixture.openWithNodes(8)).close()
            let victim = try RunningProgram(
                "/proc/self/exe",
                ["--testing-library", "swift-testing", "--filter", "DurabilityTests/victim"],
                environment: ["MUSTER_STORE_VICTIM": fixture.path],
                log: "/dev/null"
            )
            let notes = fixture.path + "/acknowledged"
            var size = stat()
            for _ in 0..<3600 where stat(notes, &size) != 0 || size.st_size < 2000 + 3000 * round {
                try await Task.sleep(for: .milliseconds(50))
            }
            kill(victim.pid, SIGKILL)
            _ = await victim.exit(within: .seconds(60))
            try await check(fixture, notes)
        }
    }

    private func check(_ fixture: StoreFixture, _ notes: String) async throws {
        let store = try await fixture.open()
        defer { try? store.close() }
        var newest: [NodeID: Int64] = [:]
        for report in try await store.read({ try $0.reports() }) { newest[report.node] = report.received.milliseconds }
        let events = try await store.read { try $0.events(after: 0, limit: 1_000_000) }
        #expect(events.map { $0["sequence"] } == (0..<events.count).map { .integer(Int64($0 + 1)) })
        let lines = try String(decoding: contents(notes), as: UTF8.self).split(separator: "\n")
        #expect(lines.count > 50)
        for line in lines {
            let words = line.split(separator: " ")
            guard words.count == 3, let node = NodeID(String(words[0])), let round = Int64(words[1]),
                let sequence = Int(words[2])
            else { continue }
            #expect(newest[node] ?? 0 >= round)
            #expect(sequence <= events.count)
            #expect(events[sequence - 1]["detail"] == .integer(round))
        }
    }

    private func contents(_ path: String) throws -> [UInt8] {
        let file = open(path, O_RDONLY)
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 10_000_000)
        let count = read(file, &bytes, bytes.count)
        return Array(bytes[..<max(0, count)])
    }
}
