import ByteCoding
import CanonicalJSON
import MusterModel

/// The ids of statements that this node has obeyed: none is obeyed twice.
///
/// An id is kept until its statement expires, from when on the statement is refused anyway.
public struct ExecutedStatements: Hashable, Sendable {
    /// Most bytes of the file: some 100,000 ids.
    static let byteLimit = 8 << 20

    private var expiries: [StatementID: UTCTime] = [:]

    /// None yet.
    public init() {}

    init(_ fields: JSONFields) throws(JSONError) {
        for entry in try fields.objects("executed", limit: 100_000) {
            expiries[try entry.name("id")] = try entry.time("expires")
        }
    }

    var json: JSONValue {
        let entries = expiries.sorted { $0.key < $1.key }
        return [
            "executed": .array(
                entries.map { ["id": .string($0.key.text), "expires": .string($0.value.description)] }
            )
        ]
    }

    /// Whether a statement was obeyed.
    public func contains(_ id: StatementID) -> Bool { expiries[id] != nil }

    /// All ids that are kept.
    public var ids: Set<StatementID> { Set(expiries.keys) }

    /// Remembers a statement, and forgets those that expired more than a day before `time`.
    ///
    /// The day is for clocks that are set back: what was refused as obeyed must not come to life again.
    public mutating func insert(_ statement: Statement, at time: UTCTime) {
        expiries = expiries.filter { $0.value.adding(seconds: 86400) > time }
        expiries[statement.id] = statement.expires
    }
}
