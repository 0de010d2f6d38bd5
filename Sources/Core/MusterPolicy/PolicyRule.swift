import CanonicalJSON
import MusterModel

/// One rule: who may ask for what, where, and with whose consent.
///
/// ```
/// {"name": "web upgrades", "allow": ["upgrade", "roll-back"], "who": ["ada", "group:leads"], "nodes": ["tag:web"],
///  "packages": ["hello"], "tags": ["web"], "approvals": {"count": 1, "from": ["group:leads"]}}
/// ```
/// Without `packages` any package is allowed. Without `tags` no tag may be given; `"*"` means any. A rule for `run` says
/// `"commands": ["restart-web"]`, `"*"` for any; without it none may be run. What a rule for `ssh-certificate` says besides
/// is in `Logins`. With `"windows": [TimeWindow, …]` it allows only while one of them is open.
///
/// Compatibility: rules only ever allow, and whatever restricts a rule is a member of that rule. A rule with a member that
/// this program does not know allows nothing here, rather than more than its author meant.
public struct PolicyRule: Hashable, Sendable {
    /// How many others must have signed too: `{"count": 1, "from": ["group:leads"]}`.
    public struct Approvals: Hashable, Sendable {
        /// How many distinct operators other than the requester.
        public let count: Int
        /// Whose signatures count.
        public let from: [PolicySubject]

        /// Consent that is needed.
        public init(count: Int, from: [PolicySubject]) {
            self.count = count
            self.from = from
        }
    }

    /// Which tags a statement may give.
    public enum Tags: Hashable, Sendable {
        case any
        case only(Set<Tag>)

        func allows(_ tags: some Sequence<Tag>) -> Bool {
            switch self {
            case .any: true
            case .only(let allowed): tags.allSatisfy(allowed.contains)
            }
        }
    }

    /// Which approved commands may be run.
    public enum Commands: Hashable, Sendable {
        case any
        case only(Set<CommandName>)

        func allows(_ command: CommandName) -> Bool {
            switch self {
            case .any: true
            case .only(let names): names.contains(command)
            }
        }
    }

    /// Most windows of a rule.
    public static let windowLimit = 32

    /// Its name, for people and the log; each rule of a policy has another.
    public let name: String
    /// What it allows.
    public let allow: [PolicyAction]
    /// Whom it allows to ask.
    public let who: [PolicySubject]
    /// Where.
    public let nodes: [NodeSelector]
    /// Which packages; nil for any.
    public let packages: [String]?
    /// Which tags may be given; nil for none.
    public let tags: Tags?
    /// What logins it allows; nil for none.
    public let logins: Logins?
    /// Which approved commands may be run; nil for none.
    public let commands: Commands?
    /// When it allows anything; nil for always.
    public let windows: [TimeWindow]?
    /// With whose consent; nil where nobody else is asked.
    public let approvals: Approvals?
    /// Members that this program does not know: the rule allows nothing here.
    public let unknown: JSONObject

    /// A rule of these parts.
    public init(
        name: String,
        allow: [PolicyAction],
        who: [PolicySubject],
        nodes: [NodeSelector],
        packages: [String]? = nil,
        tags: Tags? = nil,
        logins: Logins? = nil,
        commands: Commands? = nil,
        windows: [TimeWindow]? = nil,
        approvals: Approvals? = nil
    ) {
        self.name = name
        self.allow = allow
        self.who = who
        self.nodes = nodes
        self.packages = packages
        self.tags = tags
        self.logins = logins
        self.commands = commands
        self.windows = windows
        self.approvals = approvals
        unknown = JSONObject()
    }

    /// Reads a rule; whether its names are anybody's is for the policy to say.
    public init(_ fields: JSONFields) throws(JSONError) {
        name = try fields.string("name", limit: 128)
        guard !name.isEmpty else { throw fields.error("name", "is empty") }
        allow = try fields.strings("allow", limit: 64, each: 64).map(PolicyAction.init(rawValue:))
        who = try fields.subjects("who")
        nodes = try fields.selectors("nodes")
        packages = try fields.optional("packages") { fields, key throws(JSONError) in
            try fields.strings(key, limit: 10_000, each: 256)
        }
        tags = try fields.optional("tags") { fields, key throws(JSONError) in try Self.tags(fields, key) }
        logins = try Logins(fields)
        commands = try fields.optional("commands") { fields, key throws(JSONError) in try Self.commands(fields, key) }
        windows = try fields.optional("windows") { fields, key throws(JSONError) in
            try fields.objects(key, limit: Self.windowLimit).map { window throws(JSONError) in try TimeWindow(window) }
        }
        var unknown = fields.others(than: Self.members.union(Logins.members))
        if fields.has("approvals") {
            let members = try fields.fields("approvals")
            approvals = Approvals(
                count: Int(try members.integer("count", in: 1...100)),
                from: try members.subjects("from")
            )
            let others = members.others(than: ["count", "from"])
            if others.count > 0 { unknown["approvals"] = .object(others) }
        } else {
            approvals = nil
        }
        self.unknown = unknown
    }

    var json: JSONValue {
        var object = unknown
        object["name"] = .string(name)
        object["allow"] = .array(allow.map { .string($0.rawValue) })
        object["who"] = .array(who.map { .string($0.description) })
        object["nodes"] = nodes.json
        if let packages { object["packages"] = .array(packages.map { .string($0) }) }
        switch tags {
        case nil: break
        case .any: object["tags"] = ["*"]
        case .only(let tags): object["tags"] = JSONValue(tags.sorted())
        }
        for member in logins?.json.members ?? [] { object[member.key] = member.value }
        switch commands {
        case nil: break
        case .any: object["commands"] = ["*"]
        case .only(let names): object["commands"] = JSONValue(names.sorted())
        }
        if let windows { object["windows"] = .array(windows.map(\.json)) }
        if let approvals {
            var members = JSONObject()
            if case .object(let others)? = unknown["approvals"] { members = others }
            members["count"] = JSONValue(approvals.count)
            members["from"] = .array(approvals.from.map { .string($0.description) })
            object["approvals"] = .object(members)
        }
        return .object(object)
    }

    /// The members that this program does not know, in the rule or in one of its windows: it allows nothing here.
    public var notUnderstood: [String] {
        var names = unknown.keys
        for window in windows ?? [] { names += window.unknown.keys.map { "windows: \($0)" } }
        return names
    }

    private static let members: Set<String> = [
        "name", "allow", "who", "nodes", "packages", "tags", "commands", "windows", "approvals",
    ]

    private static func tags(_ fields: JSONFields, _ key: String) throws(JSONError) -> Tags {
        let texts = try fields.strings(key, limit: 10_000, each: 128)
        if texts == ["*"] { return .any }
        return .only(Set(try fields.names(key, as: Tag.self, limit: 10_000)))
    }

    private static func commands(_ fields: JSONFields, _ key: String) throws(JSONError) -> Commands {
        let texts = try fields.strings(key, limit: FleetPolicy.commandLimit, each: 128)
        if texts == ["*"] { return .any }
        return .only(Set(try fields.names(key, as: CommandName.self, limit: FleetPolicy.commandLimit)))
    }
}
