import ByteCoding
import Glibc
import MusterIdentity
import MusterModel
import SignatureVerification

@testable import MusterStore

/// A register in a folder of its own.
struct StoreFixture {
    let path: String
    let now = UTCTime(seconds: 1_800_000_000)

    init() {
        path = "/tmp/muster-store-test-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        mkdir(path, 0o700)
    }

    var database: String { path + "/muster.db" }

    func open() async throws -> Store { try await Store.open(path: database, now: now) }

    func remove() {
        for suffix in ["", "-wal", "-shm"] { unlink(database + suffix) }
        unlink(path + "/acknowledged")
        rmdir(path)
    }

    struct Failure: Error {}

    /// A statement that lets nodes join.
    func statement(_ seed: String) throws -> SignedStatement {
        guard let fleet = FleetID(digest: Digest.sha256([1])), let requester = OperatorName("ada"),
            let id = StatementID(random: Array(Digest.sha256(Array(seed.utf8)).prefix(16)))
        else { throw Failure() }
        let body = EnrollBody(tags: [], proof: .secret(sha256: Digest.sha256(Array(seed.utf8)), uses: 3))
        return SignedStatement(
            Statement(
                fleet: fleet,
                id: id,
                requester: requester,
                issued: now,
                expires: now.adding(seconds: 3600),
                body: .enroll(body)
            ),
            signatures: [[1, 2, 3]]
        )
    }

    func node(_ index: Int, _ statement: StatementID) throws -> StoredNode {
        guard let id = NodeID("node-\(index)") else { throw Failure() }
        return StoredNode(
            id: id,
            name: "n\(index)",
            keyLife: NodeKeyLife(
                key: Digest.sha256([UInt8(index & 255), UInt8(index >> 8)]),
                since: now,
                lifetime: 180 * 86400
            ),
            address: "127.0.0.1",
            tags: [Tag("web"), Tag("db")].compactMap(\.self),
            statement: statement,
            enrolled: now
        )
    }

    /// A register with `count` nodes.
    func openWithNodes(_ count: Int) async throws -> Store {
        let store = try await open()
        let statement = try statement("nodes")
        let nodes = try (0..<count).map { try node($0, statement.statement.id) }
        try await store.write { [now] transaction in
            _ = try transaction.add(statement, received: now)
            for node in nodes { try transaction.add(node) }
        }
        return store
    }
}
