import ByteCoding
import MusterModel

/// Why rollouts pass a node by.
public struct StoredHold: Hashable, Sendable {
    /// Why, in words.
    public let reason: String
    /// Who said so.
    public let by: OperatorName
    /// Since when.
    public let since: UTCTime
    /// When it ends by itself; nil for never.
    public let until: UTCTime?

    /// A hold.
    public init(reason: String, by: OperatorName, since: UTCTime, until: UTCTime?) {
        self.reason = reason
        self.by = by
        self.since = since
        self.until = until
    }
}

/// A package of a node that rollouts leave alone.
public struct StoredPin: Hashable, Sendable {
    /// The package.
    public let package: String
    /// The only version that it may have; nil for the one that it has.
    public let version: String?
    /// Why, in words.
    public let reason: String
    /// Who said so.
    public let by: OperatorName
    /// Since when.
    public let since: UTCTime

    /// A pin.
    public init(package: String, version: String?, reason: String, by: OperatorName, since: UTCTime) {
        self.package = package
        self.version = version
        self.reason = reason
        self.by = by
        self.since = since
    }
}

/// Holds and pins of nodes.
extension StoreTransaction {
    /// Holds a node, in the place of the hold that it may have.
    public func put(_ hold: StoredHold, of node: NodeID) throws {
        try sql.run(
            """
            INSERT INTO node_holds (node, reason, actor, since, ends) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (node) DO UPDATE SET reason = $2, actor = $3, since = $4, ends = $5
            """,
            [
                .text(node.text), .text(hold.reason), .text(hold.by.text), .integer(hold.since.milliseconds),
                .optional(hold.until?.milliseconds),
            ]
        )
    }

    /// Ends a node's hold; false where it has none.
    public func removeHold(of node: NodeID) throws -> Bool {
        try sql.row("DELETE FROM node_holds WHERE node = $1 RETURNING node", [.text(node.text)]) != nil
    }

    /// Every hold, by node.
    public func holds() throws -> [NodeID: StoredHold] {
        var holds: [NodeID: StoredHold] = [:]
        for row in try sql.rows("SELECT node, reason, actor, since, ends FROM node_holds", []) {
            holds[try StoredName.read(row.text(0))] = StoredHold(
                reason: try row.text(1),
                by: try StoredName.read(row.text(2)),
                since: UTCTime(milliseconds: try row.integer(3)),
                until: try row.optionalInteger(4).map { UTCTime(milliseconds: $0) }
            )
        }
        return holds
    }

    /// Pins a package of a node, in the place of the pin that it may have.
    public func put(_ pin: StoredPin, of node: NodeID) throws {
        try sql.run(
            """
            INSERT INTO node_pins (node, package, version, reason, actor, since) VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (node, package) DO UPDATE SET version = $3, reason = $4, actor = $5, since = $6
            """,
            [
                .text(node.text), .text(pin.package), .optional(pin.version), .text(pin.reason), .text(pin.by.text),
                .integer(pin.since.milliseconds),
            ]
        )
    }

    /// Ends a pin; false where there is none.
    public func removePin(of package: String, on node: NodeID) throws -> Bool {
        try sql.row(
            "DELETE FROM node_pins WHERE node = $1 AND package = $2 RETURNING node",
            [.text(node.text), .text(package)]
        ) != nil
    }

    /// Every pin, by node, then by package.
    public func pins() throws -> [NodeID: [StoredPin]] {
        var pins: [NodeID: [StoredPin]] = [:]
        let rows = try sql.rows(
            "SELECT node, package, version, reason, actor, since FROM node_pins ORDER BY node, package",
            []
        )
        for row in rows {
            let pin = StoredPin(
                package: try row.text(1),
                version: try row.optionalText(2),
                reason: try row.text(3),
                by: try StoredName.read(row.text(4)),
                since: UTCTime(milliseconds: try row.integer(5))
            )
            pins[try StoredName.read(row.text(0)), default: []].append(pin)
        }
        return pins
    }
}
