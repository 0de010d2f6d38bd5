import ByteCoding
import CanonicalJSON
import GRDB
import MusterModel
import SignatureVerification
import Testing

@testable import MusterStore

@Suite("The register")
struct RegisterTests {
    @Test("What was written is there after the register was opened again")
    func reopening() async throws {
        let fixture = StoreFixture()
        defer { fixture.remove() }
        let store = try await fixture.openWithNodes(3)
        try await store.write { try $0.set("colour", [1, 2, 3]) }
        try store.close()
        let again = try await fixture.open()
        #expect(try await again.read { try $0.setting("colour") } == [1, 2, 3])
        let nodes = try await again.read { try $0.nodes() }
        #expect(nodes.map(\.name) == ["n0", "n1", "n2"])
        #expect(nodes[0].tags.map(\.text) == ["web", "db"])
    }

    @Test("Acknowledged commits wait for the disk: synchronous is FULL, the journal is WAL, foreign keys hold")
    func pragmas() async throws {
        let fixture = StoreFixture()
        defer { fixture.remove() }
        let driver = try SQLiteDriver(path: fixture.database)
        let values = try await driver.write { transaction in
            try ["synchronous", "foreign_keys"].map { try transaction.row("PRAGMA \($0)", [])?.integer(0) }
        }
        #expect(values == [2, 1])
        let mode = try await driver.write { try $0.row("PRAGMA journal_mode", [])?.text(0) }
        #expect(mode == "wal")
    }

    @Test("Arguments are bound by their numbers, in whatever order they stand in the statement")
    func binding() async throws {
        let fixture = StoreFixture()
        defer { fixture.remove() }
        let driver = try SQLiteDriver(path: fixture.database)
        let row = try await driver.read { try $0.row("SELECT $2, $1, $2, $3", [.text("a"), .integer(2), .bytes([3])]) }
        #expect(try row?.integer(0) == 2)
        #expect(try row?.text(1) == "a")
        #expect(try row?.integer(2) == 2)
        #expect(try row?.bytes(3) == [3])
    }

    @Test("A register with a changed or newer migration is not opened")
    func migrations() async throws {
        let fixture = StoreFixture()
        defer { fixture.remove() }
        try (try await fixture.open()).close()
        let driver = try SQLiteDriver(path: fixture.database)
        try await driver.write { _ = try $0.run("UPDATE migrations SET digest = 'x' WHERE number = 1", []) }
        try driver.close()
        await #expect(throws: StoreError.self) { try await fixture.open() }
        let newer = try SQLiteDriver(path: fixture.database)
        let digest = schema[0].digest
        try await newer.write { transaction in
            try transaction.run("UPDATE migrations SET digest = $1 WHERE number = 1", [.text(digest)])
            try transaction.run(
                "INSERT INTO migrations (number, digest, applied) VALUES ($1, $2, $3)",
                [.integer(Int64(schema.count + 1)), .text("later"), .integer(0)]
            )
        }
        try newer.close()
        await #expect(throws: StoreError.self) { try await fixture.open() }
    }

    @Test("Events are numbered without gaps, even when transactions fail between them, and are leaves of RFC 6962")
    func events() async throws {
        let fixture = StoreFixture()
        defer { fixture.remove() }
        let store = try await fixture.open()
        for index in 0..<10 {
            try? await store.write { [now = fixture.now] transaction in
                try transaction.append(event: "test", actor: "musterd", detail: ["n": .integer(Int64(index))], at: now)
                if index % 3 == 1 { throw StoreFixture.Failure() }
            }
        }
        let events = try await store.read { try $0.events(after: 0, limit: 100) }
        #expect(events.map { $0["sequence"] } == (1...7).map { .integer($0) })
        let leaves = try await store.read { try $0.leaves(after: 0, limit: 100) }
        #expect(leaves == events.map { Digest.sha256([0] + $0.canonicalBytes) })
    }

    @Test("A token's uses are counted exactly when many take one at once")
    func uses() async throws {
        let fixture = StoreFixture()
        defer { fixture.remove() }
        let store = try await fixture.open()
        let statement = try fixture.statement("token")
        let now = fixture.now
        try await store.write { transaction in
            _ = try transaction.add(statement, received: now)
            _ = try transaction.addSecret(sha256: [7], uses: 5, statement: statement.statement)
        }
        let taken = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    (try? await store.write { try $0.takeUse(secretSHA256: [7], now: now) }) ?? false
                }
            }
            var count = 0
            for await success in group where success { count += 1 }
            return count
        }
        #expect(taken == 5)
        let late = now.adding(seconds: 7200)
        #expect(try await store.write { try $0.takeUse(secretSHA256: [7], now: late) } == false)
    }

    @Test("A statement's id is used once, and a manifest's sequence only rises")
    func once() async throws {
        let fixture = StoreFixture()
        defer { fixture.remove() }
        let store = try await fixture.openWithNodes(1)
        let statement = try fixture.statement("nodes")
        let now = fixture.now
        let again = try await store.write { try $0.add(statement, received: now) }
        #expect(!again)
        #expect(try await store.read { try $0.statement(statement.statement.id) } == statement)
        let node = try fixture.node(0, statement.statement.id).id
        let manifest = StoredManifest(sequence: 2, expires: fixture.now, content: [1], envelope: Array("{}".utf8))
        try await store.write { try $0.put(manifest, of: node) }
        await #expect(throws: StoreError.self) { try await store.write { try $0.put(manifest, of: node) } }
    }

    @Test("A revocation list's version is the time, and always rises: a restored register is ahead again with the next")
    func revocationVersions() async throws {
        let fixture = StoreFixture()
        defer { fixture.remove() }
        let store = try await fixture.openWithNodes(1)
        let now = fixture.now
        func revoke(at time: UTCTime) async throws -> Int64 {
            try await store.write { transaction in
                try transaction.revoke(
                    serials: [],
                    others: [],
                    subject: "serial 1",
                    reason: "lost",
                    actor: "ada",
                    statement: nil,
                    at: time
                )
            }
        }
        #expect(try await store.read { try $0.revocationVersion() } == 1)
        let first = try await revoke(at: now)
        #expect(first == max(2, now.seconds))
        #expect(try await revoke(at: now) == first + 1)
        #expect(try await revoke(at: now.adding(seconds: -3600)) == first + 2)
        #expect(try await revoke(at: now.adding(seconds: 3600)) == max(first + 3, now.seconds + 3600))
    }

    @Test("A manifest's sequence begins anew behind one that no node takes")
    func endOfSequence() async throws {
        let fixture = StoreFixture()
        defer { fixture.remove() }
        let store = try await fixture.openWithNodes(1)
        let node = try fixture.node(0, try fixture.statement("nodes").statement.id).id
        let now = fixture.now
        for sequence in [UpdateManifest.sequenceLimit + 1, 1] {
            let manifest = StoredManifest(sequence: sequence, expires: now, content: [1], envelope: Array("{}".utf8))
            try await store.write { try $0.put(manifest, of: node) }
        }
        #expect(try await store.read { try $0.manifest(of: node) }?.sequence == 1)
    }
}
