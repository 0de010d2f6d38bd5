import ByteCoding
import MusterModel
import Synchronization

/// Writes version reports in groups: while one group is on its way to the disk the next one gathers.
///
/// No timer: a lone report is written at once, a thousand at once share one commit.
public final class ReportWriter: Sendable {
    private struct Waiting: Sendable {
        let node: NodeID
        let received: UTCTime
        let body: [UInt8]
        let done: CheckedContinuation<Void, any Error>
    }

    private struct State: Sendable {
        var waiting: [Waiting] = []
        var writing = false
        var commits = 0
    }

    private let driver: any SQLDriver
    private let state = Mutex(State())

    init(_ driver: any SQLDriver) {
        self.driver = driver
    }

    /// How many commits were made so far.
    public var commits: Int { state.withLock { $0.commits } }

    /// Stores the newest report of a node, exactly the bytes that were received; returns once it is on disk.
    public func write(node: NodeID, received: UTCTime, body: [UInt8]) async throws {
        try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
            let starts = state.withLock { state in
                state.waiting.append(Waiting(node: node, received: received, body: body, done: done))
                defer { state.writing = true }
                return !state.writing
            }
            if starts { Task { await drain() } }
        }
    }

    private func drain() async {
        while let group = next() {
            do {
                try await driver.write { transaction in
                    for report in group {
                        try transaction.run(Self.upsert, Self.arguments(report))
                    }
                }
                for report in group { report.done.resume() }
            } catch {
                await writeSingly(group)
            }
        }
    }

    /// One bad report must not take the others of its group with it.
    private func writeSingly(_ group: [Waiting]) async {
        for report in group {
            do {
                try await driver.write { _ = try $0.run(Self.upsert, Self.arguments(report)) }
                report.done.resume()
            } catch {
                report.done.resume(throwing: error)
            }
        }
    }

    private func next() -> [Waiting]? {
        state.withLock { state in
            guard !state.waiting.isEmpty else {
                state.writing = false
                return nil
            }
            state.commits += 1
            let group = Array(state.waiting.prefix(Self.groupLimit))
            state.waiting.removeFirst(group.count)
            return group
        }
    }

    private static let groupLimit = 1024

    private static let upsert = """
        INSERT INTO reports (node, received, body) VALUES ($1, $2, $3)
        ON CONFLICT (node) DO UPDATE SET received = $2, body = $3
        """

    private static func arguments(_ report: Waiting) -> [SQLValue] {
        [
            .text(report.node.text), .integer(report.received.milliseconds),
            .text(String(decoding: report.body, as: UTF8.self)),
        ]
    }
}

extension StoreTransaction {
    /// The newest report of each node, and when it came.
    public func reports() throws -> [(node: NodeID, received: UTCTime, body: [UInt8])] {
        try sql.rows("SELECT node, received, body FROM reports", []).map {
            (try StoredName.read($0.text(0)), UTCTime(milliseconds: try $0.integer(1)), Array(try $0.text(2).utf8))
        }
    }

    /// The newest report of one node, and when it came.
    public func report(of node: NodeID) throws -> (received: UTCTime, body: [UInt8])? {
        try sql.row("SELECT received, body FROM reports WHERE node = $1", [.text(node.text)]).map {
            (UTCTime(milliseconds: try $0.integer(0)), Array(try $0.text(1).utf8))
        }
    }
}
