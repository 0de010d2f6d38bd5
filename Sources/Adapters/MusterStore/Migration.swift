import ByteCoding
import SignatureVerification

/// One step in the life of the schema: never changed once released, only followed by others.
struct Migration: Sendable {
    let number: Int64
    let statements: [String]
    /// What SQL alone cannot say, done after the statements in the same transaction.
    var convert: @Sendable (any SQLTransaction) throws(StoreError) -> Void = { _ in }

    /// What the database remembers of it, to notice when the program and the database disagree.
    var digest: String {
        Hex.encode(Digest.sha256(Array(statements.joined(separator: ";\n").utf8)))
    }
}

extension [Migration] {
    /// Brings the database up to date; refuses one that was changed by hand or by a newer program.
    func apply(_ transaction: any SQLTransaction, now: Int64) throws(StoreError) {
        try transaction.run(
            "CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY, digest TEXT NOT NULL, applied BIGINT NOT NULL)",
            []
        )
        let applied = try transaction.rows("SELECT number, digest FROM migrations ORDER BY number", [])
        guard applied.count <= count else {
            throw StoreError(
                .migration,
                "the register was written by a newer musterd (migration \(applied.count), this one knows \(count)): "
                    + "install that version or restore a backup"
            )
        }
        for (index, migration) in enumerated() {
            if index < applied.count {
                try migration.check(applied[index])
            } else {
                for statement in migration.statements { try transaction.run(statement, []) }
                try migration.convert(transaction)
                try transaction.run(
                    "INSERT INTO migrations (number, digest, applied) VALUES ($1, $2, $3)",
                    [.integer(migration.number), .text(migration.digest), .integer(now)]
                )
            }
        }
    }
}

extension Migration {
    fileprivate func check(_ row: SQLRow) throws(StoreError) {
        guard try row.integer(0) == number, try row.text(1) == digest else {
            throw StoreError(
                .migration,
                "migration \(number) of the register is not the one this musterd knows: it belongs to another build"
            )
        }
    }
}
