import ByteCoding
import CanonicalJSON
import MusterModel

/// A node in the register: an entry of `GET /v1/nodes` and the answer of `GET /v1/nodes/{id}`.
public struct NodeRecord: Body {
    /// What one installed package is, and what it could or shall be.
    public struct Package: Hashable, Sendable {
        /// The package's name.
        public let name: String
        /// The version that is installed; empty where it is not.
        public let installed: String
        /// The newest released version for the node's architecture; empty where there is none.
        public let available: String
        /// The version that an open rollout gives it; empty where none does.
        public let target: String
        /// Whether the newest release, or one between, closes a security hole.
        public let security: Bool

        /// A package of a node.
        public init(name: String, installed: String, available: String, target: String, security: Bool) {
            self.name = name
            self.installed = installed
            self.available = available
            self.target = target
            self.security = security
        }

        init(_ fields: JSONFields) throws(JSONError) {
            name = try fields.string("name", limit: 256)
            installed = try fields.string("installed", limit: 256)
            available = try fields.string("available", limit: 256)
            target = try fields.string("target", limit: 256)
            security = try fields.bool("security")
        }

        /// Whether a newer version than the installed one was released.
        public var updateAvailable: Bool { !available.isEmpty && available != installed }

        var json: JSONValue {
            [
                "name": .string(name), "installed": .string(installed), "available": .string(available),
                "target": .string(target), "security": .bool(security),
            ]
        }
    }

    /// A whole register's worth of packages and progress for one node fits.
    public static let byteLimit = 4_000_000

    /// The node's id.
    public let id: NodeID
    /// Its name, unique in the fleet.
    public let name: String
    /// Its tags, by its newest `enroll` or `tag-node` statement.
    public let tags: [Tag]
    /// The tailnet address it is bound to.
    public let address: String
    /// When it was enrolled.
    public let enrolled: UTCTime
    /// When it last proved to be there; nil before the first session.
    public let lastSeen: UTCTime?
    /// `online` (seen within three report intervals), `key-expired` (seen, but may do nothing), `offline` or `new`.
    public let state: String
    /// What it last reported of itself; nil before the first report.
    public let report: NodeReport?
    /// Its managed packages.
    public let packages: [Package]
    /// Its node key; nil where the service does not tell.
    public var key: NodeKeyRecord?
    /// Who it is on the tailnet; nil where none is used, or a node from before one was.
    public let tailnet: TailnetRecord?
    /// Why rollouts pass it by; nil where they do not.
    public var hold: HoldRecord?
    /// Packages that rollouts leave as they are, by an operator's word or by the node's own.
    public var pins: [PinRecord] = []

    /// A node.
    public init(
        id: NodeID,
        name: String,
        tags: [Tag],
        address: String,
        enrolled: UTCTime,
        lastSeen: UTCTime?,
        state: String,
        report: NodeReport?,
        packages: [Package],
        key: NodeKeyRecord? = nil,
        tailnet: TailnetRecord? = nil
    ) {
        self.id = id
        self.name = name
        self.tags = tags
        self.address = address
        self.enrolled = enrolled
        self.lastSeen = lastSeen
        self.state = state
        self.report = report
        self.packages = packages
        self.key = key
        self.tailnet = tailnet
    }

    /// Reads a node.
    public init(_ fields: JSONFields) throws(JSONError) {
        id = try fields.name("id")
        name = try fields.string("name", limit: 253)
        tags = try fields.names("tags", limit: 64)
        address = try fields.string("address", limit: 64)
        enrolled = try fields.milliseconds("enrolled")
        lastSeen = try fields.optional("last_seen") { fields, key throws(JSONError) in try fields.milliseconds(key) }
        state = try fields.string("state", limit: 32)
        report = try fields.optional("report") { fields, key throws(JSONError) in
            try NodeReport(try fields.fields(key))
        }
        packages = try fields.objects("packages", limit: 4096).map { package throws(JSONError) in try Package(package) }
        key = try fields.optional("key") { fields, key throws(JSONError) in try NodeKeyRecord(try fields.fields(key)) }
        tailnet = try fields.optional("tailnet") { fields, key throws(JSONError) in
            try TailnetRecord(try fields.fields(key))
        }
        hold = try fields.optional("hold") { fields, key throws(JSONError) in try HoldRecord(try fields.fields(key)) }
        if fields.has("pins") {
            pins = try fields.objects("pins", limit: 4096).map { pin throws(JSONError) in try PinRecord(pin) }
        }
    }

    /// The node as it is sent.
    public var json: JSONValue {
        var object: JSONObject = [
            "id": JSONValue(id), "name": .string(name), "tags": JSONValue(tags), "address": .string(address),
            "enrolled": .integer(enrolled.milliseconds),
            "last_seen": lastSeen.map { .integer($0.milliseconds) } ?? .null, "state": .string(state),
            "report": report?.json ?? .null, "packages": .array(packages.map(\.json)),
        ]
        if let key { object["key"] = key.json }
        if let tailnet { object["tailnet"] = tailnet.json }
        if let hold { object["hold"] = hold.json }
        if !pins.isEmpty { object["pins"] = .array(pins.map(\.json)) }
        return .object(object)
    }
}

/// A list of `GET`: `{"items": […]}`.
public struct List<Item: Body>: Body {
    /// Lists may be long: a hundred thousand nodes.
    public static var byteLimit: Int { 256_000_000 }

    /// The entries.
    public let items: [Item]

    /// A list.
    public init(_ items: [Item]) {
        self.items = items
    }

    /// Reads a list.
    public init(_ fields: JSONFields) throws(JSONError) {
        items = try fields.objects("items", limit: 1_000_000).map { item throws(JSONError) in try Item(item) }
    }

    /// The list as it is sent.
    public var json: JSONValue { ["items": .array(items.map(\.json))] }
}
