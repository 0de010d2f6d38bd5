import ByteCoding
import MusterModel

/// A request for a certificate that waits, or waited, for approvals.
public struct StoredCertificateRequest: Hashable, Sendable {
    /// How far it is.
    public enum State: String, Hashable, Sendable, CaseIterable {
        case waiting
        case issued
        case denied
    }

    /// The statement.
    public let statement: StatementID
    /// How far it is.
    public var state: State
    /// For whom it waits, or why it was denied.
    public var detail: String
    /// When it was asked for.
    public let asked: UTCTime
    /// When its statement expires.
    public let expires: UTCTime
    /// The tailnet's id of where it was asked from.
    public let identity: String
    /// The name of that, for people.
    public let origin: String
    /// The addresses of that.
    public let addresses: [String]
    /// The node of the fleet that it is.
    public let node: NodeID?
    /// When the keys of that node, or of that machine in the tailnet, expire.
    public let keyExpires: UTCTime?

    /// A request.
    public init(
        statement: StatementID,
        state: State,
        detail: String,
        asked: UTCTime,
        expires: UTCTime,
        identity: String,
        origin: String,
        addresses: [String],
        node: NodeID?,
        keyExpires: UTCTime?
    ) {
        self.statement = statement
        self.state = state
        self.detail = detail
        self.asked = asked
        self.expires = expires
        self.identity = identity
        self.origin = origin
        self.addresses = addresses
        self.node = node
        self.keyExpires = keyExpires
    }

    init(_ row: SQLRow) throws(StoreError) {
        statement = try StoredName.read(try row.text(0))
        let name = try row.text(1)
        guard let state = State(rawValue: name) else {
            throw StoreError(.corrupt, "'\(name)' in the register is no state of a request")
        }
        self.state = state
        detail = try row.text(2)
        asked = UTCTime(milliseconds: try row.integer(3))
        expires = UTCTime(milliseconds: try row.integer(4))
        identity = try row.text(5)
        origin = try row.text(6)
        addresses = try row.text(7).split(separator: " ").map { String($0) }
        node = row.isNull(8) ? nil : try StoredName.read(try row.text(8))
        keyExpires = row.isNull(9) ? nil : UTCTime(milliseconds: try row.integer(9))
    }
}

/// Requests for certificates.
extension StoreTransaction {
    private static let requestColumns =
        "statement, state, detail, asked, expires, identity, origin, addresses, node, key_expires"

    /// Adds a request that waits.
    public func add(_ request: StoredCertificateRequest) throws {
        try sql.run(
            """
            INSERT INTO ssh_requests (\(Self.requestColumns)) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            """,
            [
                .text(request.statement.text), .text(request.state.rawValue), .text(request.detail),
                .integer(request.asked.milliseconds), .integer(request.expires.milliseconds),
                .text(request.identity), .text(request.origin), .text(request.addresses.joined(separator: " ")),
                .optional(request.node?.text), request.keyExpires.map { .integer($0.milliseconds) } ?? .null,
            ]
        )
    }

    /// Writes how far a request is that was waiting; false where it is not waiting any more.
    public func change(_ request: StoredCertificateRequest) throws -> Bool {
        try sql.run(
            "UPDATE ssh_requests SET state = $2, detail = $3 WHERE statement = $1 AND state = 'waiting'",
            [.text(request.statement.text), .text(request.state.rawValue), .text(request.detail)]
        ) == 1
    }

    /// The request of a statement.
    public func certificateRequest(_ statement: StatementID) throws -> StoredCertificateRequest? {
        try sql.row("SELECT \(Self.requestColumns) FROM ssh_requests WHERE statement = $1", [.text(statement.text)])
            .map { try StoredCertificateRequest($0) }
    }

    /// Requests that wait and have not expired, oldest first, at most `limit`.
    public func waitingRequests(at now: UTCTime, limit: Int) throws -> [StoredCertificateRequest] {
        try sql.rows(
            """
            SELECT \(Self.requestColumns) FROM ssh_requests WHERE state = 'waiting' AND expires > $1
            ORDER BY asked, statement LIMIT $2
            """,
            [.integer(now.milliseconds), .integer(Int64(limit))]
        ).map { try StoredCertificateRequest($0) }
    }

    /// How many requests wait that were asked for from one place.
    public func waitingRequests(from identity: String, at now: UTCTime) throws -> Int {
        let row = try sql.row(
            "SELECT COUNT(*) FROM ssh_requests WHERE state = 'waiting' AND expires > $1 AND identity = $2",
            [.integer(now.milliseconds), .text(identity)]
        )
        return Int(try row?.integer(0) ?? 0)
    }
}
