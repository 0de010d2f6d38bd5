import ByteCoding
import CanonicalJSON
import MusterModel

/// A run as the register keeps it.
public struct StoredRun: Sendable {
    /// Its id, which is its statement's.
    public let id: RunID
    /// The command's name in the policy.
    public let command: CommandName
    /// Who asked.
    public let requester: OperatorName
    /// How far it is, as operators see it.
    public let state: String
    /// Whether something may still happen with it by itself.
    public let isOpen: Bool
    /// Rises with every change.
    public let revision: Int64
    /// When it was asked for.
    public let asked: UTCTime
    /// When it ended; nil before.
    public let ended: UTCTime?
    /// How many pieces of output were kept so far.
    public let output: Int64
    /// Whether the pieces are still there.
    public let keepsOutput: Bool
    /// What the service needs to go on with it, the nodes' parts excepted.
    public let document: JSONValue

    /// A run.
    public init(
        id: RunID,
        command: CommandName,
        requester: OperatorName,
        state: String,
        isOpen: Bool,
        revision: Int64,
        asked: UTCTime,
        ended: UTCTime?,
        output: Int64,
        keepsOutput: Bool,
        document: JSONValue
    ) {
        self.id = id
        self.command = command
        self.requester = requester
        self.state = state
        self.isOpen = isOpen
        self.revision = revision
        self.asked = asked
        self.ended = ended
        self.output = output
        self.keepsOutput = keepsOutput
        self.document = document
    }

    static let columns = [
        "id", "command", "requester", "state", "open", "revision", "asked", "ended", "output", "kept", "document",
    ]

    init(_ row: SQLRow) throws {
        id = try StoredName.read(try row.text(0))
        command = try StoredName.read(try row.text(1))
        requester = try StoredName.read(try row.text(2))
        state = try row.text(3)
        isOpen = try row.integer(4) == 1
        revision = try row.integer(5)
        asked = UTCTime(milliseconds: try row.integer(6))
        ended = try row.optionalInteger(7).map { UTCTime(milliseconds: $0) }
        output = try row.integer(8)
        keepsOutput = try row.integer(9) == 1
        document = try JSONValue.parse(Array(try row.text(10).utf8), limit: 4_000_000)
    }
}

/// Which runs a list shall have; nil members restrict nothing.
public struct RunFilter: Sendable {
    /// The command.
    public var command: CommandName?
    /// Who asked.
    public var requester: OperatorName?
    /// A node that the run names.
    public var node: NodeID?
    /// How far it is.
    public var state: String?
    /// Asked for at this moment or later.
    public var from: UTCTime?
    /// Asked for before this moment.
    public var until: UTCTime?
    /// Asked for earlier than this run: the next page.
    public var before: RunID?
    /// Most entries.
    public var limit = 100

    /// Every run.
    public init() {}
}

/// Runs.
extension StoreTransaction {
    /// Writes a run, new or changed.
    public func put(_ run: StoredRun) throws {
        try sql.run(
            """
            INSERT INTO runs (\(StoredRun.columns.joined(separator: ", ")))
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            ON CONFLICT (id) DO UPDATE SET state = $4, open = $5, revision = $6, ended = $8, output = $9, document = $11
            """,
            [
                .text(run.id.text), .text(run.command.text), .text(run.requester.text), .text(run.state),
                .integer(run.isOpen ? 1 : 0), .integer(run.revision), .integer(run.asked.milliseconds),
                .optional(run.ended?.milliseconds), .integer(run.output), .integer(run.keepsOutput ? 1 : 0),
                .text(String(decoding: run.document.canonicalBytes, as: UTF8.self)),
            ]
        )
    }

    /// One run.
    public func run(_ id: RunID) throws -> StoredRun? {
        try sql.row("SELECT \(Self.runColumns) FROM runs r WHERE r.id = $1", [.text(id.text)])
            .map { try StoredRun($0) }
    }

    /// Runs with which something may still happen, oldest first.
    public func openRuns() throws -> [StoredRun] {
        try sql.rows("SELECT \(Self.runColumns) FROM runs r WHERE r.open = 1 ORDER BY r.asked, r.id", [])
            .map { try StoredRun($0) }
    }

    /// Runs that a filter lets through, the newest first.
    public func runs(_ filter: RunFilter) throws -> [StoredRun] {
        var conditions: [String] = []
        var values: [SQLValue] = []
        func require(_ value: SQLValue, _ condition: (String) -> String) {
            values.append(value)
            conditions.append(condition("$\(values.count)"))
        }
        if let command = filter.command { require(.text(command.text)) { "r.command = \($0)" } }
        if let requester = filter.requester { require(.text(requester.text)) { "r.requester = \($0)" } }
        if let state = filter.state { require(.text(state)) { "r.state = \($0)" } }
        if let from = filter.from { require(.integer(from.milliseconds)) { "r.asked >= \($0)" } }
        if let until = filter.until { require(.integer(until.milliseconds)) { "r.asked < \($0)" } }
        if let node = filter.node {
            require(.text(node.text)) { "EXISTS (SELECT 1 FROM run_nodes n WHERE n.node = \($0) AND n.run = r.id)" }
        }
        if let before = filter.before {
            require(.text(before.text)) { "(r.asked, r.id) < (SELECT b.asked, b.id FROM runs b WHERE b.id = \($0))" }
        }
        let selection = conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND ")
        values.append(.integer(Int64(filter.limit)))
        return try sql.rows(
            "SELECT \(Self.runColumns) FROM runs r\(selection) ORDER BY r.asked DESC, r.id DESC LIMIT $\(values.count)",
            values
        ).map { try StoredRun($0) }
    }

    private static let runColumns = StoredRun.columns.map { "r." + $0 }.joined(separator: ", ")
}
