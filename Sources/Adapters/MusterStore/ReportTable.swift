import ByteCoding
import MusterModel

/// The newest version report of each node, exactly the bytes that were received.
extension StoreTransaction {
    /// Writes a node's newest report.
    public func putReport(node: NodeID, received: UTCTime, body: [UInt8]) throws {
        try sql.run(
            """
            INSERT INTO reports (node, received, body) VALUES ($1, $2, $3)
            ON CONFLICT (node) DO UPDATE SET received = $2, body = $3
            """,
            [
                .text(node.text), .integer(received.milliseconds), .text(String(decoding: body, as: UTF8.self)),
            ]
        )
    }

    /// The newest report of each node, and when it came.
    public func reports() throws -> [(node: NodeID, received: UTCTime, body: [UInt8])] {
        try sql.rows("SELECT node, received, body FROM reports", []).map {
            (try StoredName.read($0.text(0)), UTCTime(milliseconds: try $0.integer(1)), Array(try $0.text(2).utf8))
        }
    }
}
