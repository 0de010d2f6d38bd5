import ByteCoding
import CanonicalJSON
import MusterModel
import Testing

@testable import MusterStore

@Suite("Runs in the register")
struct RunTableTests {
    private func run(_ id: StatementID, ended: UTCTime?, pieces: Int64) throws -> StoredRun {
        guard let command = CommandName("echo"), let requester = OperatorName("ada") else {
            throw StoreFixture.Failure()
        }
        return StoredRun(
            id: id,
            command: command,
            requester: requester,
            state: ended == nil ? "running" : "succeeded",
            isOpen: ended == nil,
            revision: 1,
            asked: UTCTime(seconds: 1_800_000_000),
            ended: ended,
            output: pieces,
            keepsOutput: true,
            document: [:]
        )
    }

    private func fill(_ store: Store, _ fixture: StoreFixture, _ seed: String, ended: UTCTime?) async throws -> RunID {
        let statement = try fixture.statement(seed)
        let run = try run(statement.statement.id, ended: ended, pieces: 5)
        guard let node = NodeID("node-0") else { throw StoreFixture.Failure() }
        try await store.write { transaction in
            _ = try transaction.add(statement, received: fixture.now)
            try transaction.put(run)
            let part = StoredRunNode(position: 0, node: node, state: "succeeded", since: fixture.now, received: 5)
            try transaction.put(part, of: run.id)
            for number in 1...5 as ClosedRange<Int64> {
                let piece = StoredRunOutput(
                    sequence: number,
                    node: node,
                    offset: number - 1,
                    stream: "out",
                    milliseconds: 0,
                    bytes: [UInt8(number)]
                )
                try transaction.add(piece, to: run.id)
            }
        }
        return run.id
    }

    @Test("Output is forgotten some at a time, the oldest runs first, and never that of runs which go on or are young")
    func forgetting() async throws {
        let fixture = StoreFixture()
        defer { fixture.remove() }
        let store = try await fixture.open()
        let old = try await fill(store, fixture, "old", ended: fixture.now.adding(seconds: 10))
        let young = try await fill(store, fixture, "young", ended: fixture.now.adding(seconds: 1000))
        let open = try await fill(store, fixture, "open", ended: nil)
        func left(_ run: RunID) async throws -> Int {
            try await store.read { try $0.output(of: run, after: 0, node: nil, limit: 100).count }
        }
        let cutoff = fixture.now.adding(seconds: 500)
        var steps = 0
        while try await store.write({ try $0.forgetRunOutput(endedBefore: cutoff, limit: 2) }) {
            steps += 1
            #expect(try await left(old) == max(0, 5 - 2 * steps))
        }
        #expect(steps == 3)
        #expect(try await left(young) == 5)
        #expect(try await left(open) == 5)
        let kept = try await store.read { try $0.run(old) }
        #expect(kept?.keepsOutput == false && kept?.output == 5)
        #expect(try await store.read { try $0.runNodes(of: old) }.count == 1)
        // What changes later does not bring it back.
        try await store.write { try $0.put(try run(old, ended: fixture.now, pieces: 6)) }
        #expect(try await store.read { try $0.run(old) }?.keepsOutput == false)
    }
}
