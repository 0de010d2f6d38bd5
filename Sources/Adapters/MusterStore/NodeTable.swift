import ByteCoding
import MusterModel

/// A node as the register knows it.
public struct StoredNode: Hashable, Sendable {
    /// Its id.
    public let id: NodeID
    /// Its name, unique in the fleet.
    public let name: String
    /// Its Ed25519 public key.
    public let key: [UInt8]
    /// The address it is bound to.
    public let address: String
    /// Its tags, by its newest statement.
    public var tags: [Tag]
    /// The `enroll` statement that let it in.
    public let statement: StatementID
    /// When it was enrolled.
    public let enrolled: UTCTime

    /// A node.
    public init(
        id: NodeID,
        name: String,
        key: [UInt8],
        address: String,
        tags: [Tag],
        statement: StatementID,
        enrolled: UTCTime
    ) {
        self.id = id
        self.name = name
        self.key = key
        self.address = address
        self.tags = tags
        self.statement = statement
        self.enrolled = enrolled
    }

    init(_ row: SQLRow) throws(StoreError) {
        id = try StoredName.read(try row.text(0))
        name = try row.text(1)
        key = try row.bytes(2)
        address = try row.text(3)
        var tags: [Tag] = []
        for tag in try row.text(4).split(separator: " ") { tags.append(try StoredName.read(String(tag))) }
        self.tags = tags
        statement = try StoredName.read(try row.text(5))
        enrolled = UTCTime(milliseconds: try row.integer(6))
    }

    /// Tags in one TEXT: no tag has a space.
    static func text(_ tags: [Tag]) -> String {
        tags.map(\.text).joined(separator: " ")
    }
}

/// The nodes of the fleet.
extension StoreTransaction {
    private static let columns = "id, name, node_key, address, tags, statement, enrolled"

    /// Every node, by name.
    public func nodes() throws -> [StoredNode] {
        try sql.rows("SELECT \(Self.columns) FROM nodes ORDER BY name", []).map { try StoredNode($0) }
    }

    /// The node with this key.
    public func node(key: [UInt8]) throws -> StoredNode? {
        try sql.row("SELECT \(Self.columns) FROM nodes WHERE node_key = $1", [.bytes(key)]).map { try StoredNode($0) }
    }

    /// Adds a node.
    public func add(_ node: StoredNode) throws {
        try sql.run(
            """
            INSERT INTO nodes (id, name, node_key, address, tags, statement, enrolled)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            """,
            [
                .text(node.id.text), .text(node.name), .bytes(node.key), .text(node.address),
                .text(StoredNode.text(node.tags)), .text(node.statement.text), .integer(node.enrolled.milliseconds),
            ]
        )
    }

    /// `wanted`, or the first of `wanted-2`, `wanted-3`, … that no node has.
    public func freeName(_ wanted: String) throws -> String {
        var name = wanted
        var number = 2
        while try sql.row("SELECT 1 FROM nodes WHERE name = $1", [.text(name)]) != nil {
            name = "\(wanted)-\(number)"
            number += 1
        }
        return name
    }
}
