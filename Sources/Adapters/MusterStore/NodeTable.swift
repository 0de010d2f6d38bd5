import ByteCoding
import MusterIdentity
import MusterModel

/// A node as the register knows it.
public struct StoredNode: Hashable, Sendable {
    /// Its id.
    public let id: NodeID
    /// Its name, unique in the fleet.
    public let name: String
    /// Its key, and how long that lives.
    public var keyLife: NodeKeyLife
    /// The address it last proved itself from; what it is bound to where no tailnet says who it is.
    public var address: String
    /// Its tags, by its newest statement.
    public var tags: [Tag]
    /// The `enroll` statement that let it in.
    public let statement: StatementID
    /// When it was enrolled.
    public let enrolled: UTCTime
    /// Who it is on the tailnet; nil for a node that joined before that was asked, which is bound to its address.
    public var tailnet: TailnetBinding?

    /// A node.
    public init(
        id: NodeID,
        name: String,
        keyLife: NodeKeyLife,
        address: String,
        tags: [Tag],
        statement: StatementID,
        enrolled: UTCTime,
        tailnet: TailnetBinding? = nil
    ) {
        self.id = id
        self.name = name
        self.keyLife = keyLife
        self.address = address
        self.tags = tags
        self.statement = statement
        self.enrolled = enrolled
        self.tailnet = tailnet
    }

    init(_ row: SQLRow) throws(StoreError) {
        id = try StoredName.read(try row.text(0))
        name = try row.text(1)
        address = try row.text(3)
        var tags: [Tag] = []
        for tag in try row.text(4).split(separator: " ") { tags.append(try StoredName.read(String(tag))) }
        self.tags = tags
        statement = try StoredName.read(try row.text(5))
        enrolled = UTCTime(milliseconds: try row.integer(6))
        tailnet = try TailnetBinding(id: row.optionalText(7), row.optionalText(8), row.optionalText(9))
        if let since = try row.optionalInteger(10) { tailnet?.keySince = UTCTime(milliseconds: since) }
        keyLife = try NodeKeyLife(row, from: 11)
    }

    /// Its Ed25519 public key.
    public var key: [UInt8] { keyLife.key }

    /// Tags in one TEXT: no tag has a space.
    static func text(_ tags: [Tag]) -> String {
        tags.map(\.text).joined(separator: " ")
    }
}

/// The nodes of the fleet.
extension StoreTransaction {
    private static let columns =
        "id, name, node_key, address, tags, statement, enrolled, "
        + "tailnet_id, tailnet_key, tailnet_name, tailnet_key_since, "
        + NodeKeyLife.columns.joined(separator: ", ")

    /// Every node of the fleet, by name.
    public func nodes() throws -> [StoredNode] {
        try sql.rows("SELECT \(Self.columns) FROM nodes WHERE removed IS NULL ORDER BY name", [])
            .map { try StoredNode($0) }
    }

    /// The node with this id.
    public func node(_ id: NodeID) throws -> StoredNode? {
        try sql.row("SELECT \(Self.columns) FROM nodes WHERE id = $1 AND removed IS NULL", [.text(id.text)])
            .map { try StoredNode($0) }
    }

    /// The node with this key.
    public func node(key: [UInt8]) throws -> StoredNode? {
        try sql.row("SELECT \(Self.columns) FROM nodes WHERE node_key = $1 AND removed IS NULL", [.bytes(key)])
            .map { try StoredNode($0) }
    }

    /// Adds a node.
    public func add(_ node: StoredNode) throws {
        try sql.run(
            """
            INSERT INTO nodes (id, name, node_key, address, tags, statement, enrolled,
                tailnet_id, tailnet_key, tailnet_name, tailnet_key_since)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            """,
            [
                .text(node.id.text), .text(node.name), .bytes(node.key), .text(node.address),
                .text(StoredNode.text(node.tags)), .text(node.statement.text), .integer(node.enrolled.milliseconds),
                .optional(node.tailnet?.id), .optional(node.tailnet?.key), .optional(node.tailnet?.name),
                .optional(node.tailnet?.keySince?.milliseconds),
            ]
        )
        try put(node.keyLife, of: node.id)
    }

    /// The nodes with this tailnet id.
    public func nodes(tailnetID: String) throws -> [StoredNode] {
        try sql.rows(
            "SELECT \(Self.columns) FROM nodes WHERE tailnet_id = $1 AND removed IS NULL ORDER BY name",
            [.text(tailnetID)]
        ).map { try StoredNode($0) }
    }

    /// Binds a node to somebody on the tailnet, at an address.
    public func bind(_ node: NodeID, to tailnet: TailnetBinding, address: String) throws {
        try sql.run(
            """
            UPDATE nodes SET address = $2, tailnet_id = $3, tailnet_key = $4, tailnet_name = $5, tailnet_key_since = $6
            WHERE id = $1
            """,
            [
                .text(node.text), .text(address), .text(tailnet.id), .text(tailnet.key), .text(tailnet.name),
                .optional(tailnet.keySince?.milliseconds),
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
