import CanonicalJSON
import MusterModel
import MusterSystem

/// What a node learned when it joined; never changes, unless it joins again.
public struct Enrollment: Hashable, Sendable {
    /// Most bytes of the file.
    static let byteLimit = SignedStatement.byteLimit + 16384

    /// The fleet service's address.
    public let service: String
    /// The fleet, which pins the first root.
    public let fleet: FleetID
    /// The node's id.
    public let node: NodeID
    /// The node's name among people.
    public let name: String
    /// The `enroll` statement that let it in, verified then.
    public let statement: SignedStatement

    /// An enrollment.
    public init(service: String, fleet: FleetID, node: NodeID, name: String, statement: SignedStatement) {
        self.service = service
        self.fleet = fleet
        self.node = node
        self.name = name
        self.statement = statement
    }

    init(_ fields: JSONFields) throws(JSONError) {
        service = try fields.string("service", limit: 2048)
        fleet = try fields.name("fleet")
        node = try fields.name("node")
        name = try fields.string("name", limit: 253)
        statement = try SignedStatement(try fields.fields("statement"))
    }

    var json: JSONValue {
        [
            "service": .string(service), "fleet": .string(fleet.text), "node": .string(node.text),
            "name": .string(name), "statement": statement.json,
        ]
    }

    /// The tags that the node got when it joined.
    public var tags: Set<Tag> {
        if case .enroll(let body) = statement.statement.body { Set(body.tags) } else { [] }
    }

    /// Reads the enrollment of a node; nil where it has not joined.
    public static func load(_ paths: AgentPaths) throws(SystemError) -> Enrollment? {
        try StateFile.load(paths.enrollment, limit: byteLimit) { fields throws(JSONError) in try Enrollment(fields) }
    }

    /// Keeps the enrollment.
    public func store(_ paths: AgentPaths) throws(SystemError) {
        try StateFile.store(json, paths.enrollment)
    }
}
