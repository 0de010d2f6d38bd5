import ByteCoding
import CanonicalJSON
import MusterModel
import OpenSSHFormats

/// The compiled policy of a fleet, TUF target `policy/fleet.json`.
///
/// ```
/// {"_type": "policy", "version": 7, "issued": "…Z", "expires": "…Z",
///  "operators": {"ada": {"keys": […]}}, "groups": {"leads": ["ada"]},
///  "commands": {"restart-web": ApprovedCommand, …}, "rules": […], "freezes": [PolicyFreeze, …],
///  "limits": {"db": 1}, "urgency": PolicyUrgency}
/// ```
/// `limits` say how many nodes with a tag may be changing at one moment, of all rollouts together: the service keeps them.
/// A key belongs to one operator only; whoever is named in a group or a rule is an operator or group of this document.
public struct FleetPolicy: Hashable, Sendable {
    /// Its TUF target path.
    public static let targetPath = "policy/fleet.json"
    /// Most bytes of a policy.
    public static let byteLimit = 5_000_000
    /// Most operators, and most names in one list.
    public static let operatorLimit = 10_000
    /// Most groups.
    public static let groupLimit = 1000
    /// Most approved commands.
    public static let commandLimit = 1000
    /// Most rules.
    public static let ruleLimit = 1000
    /// Most freezes.
    public static let freezeLimit = 1000
    /// Most tags with a limit.
    public static let tagLimit = 64

    /// Rises with each policy of the fleet.
    public let version: Int64
    /// When it was compiled.
    public let issued: UTCTime
    /// When it stops allowing anything.
    public let expires: UTCTime
    /// Everybody who may ask or approve.
    public let operators: [OperatorName: PolicyOperator]
    /// Names for several operators.
    public let groups: [OperatorName: [OperatorName]]
    /// The approved commands: nothing else is ever run.
    public let commands: [CommandName: ApprovedCommand]
    /// The rules; any one of them is enough.
    public let rules: [PolicyRule]
    /// When nodes are not upgraded, whatever the rules allow.
    public let freezes: [PolicyFreeze]
    /// Most nodes with a tag that may be changing at one moment.
    public let limits: [Tag: Int]
    /// What security releases need not wait for.
    public let urgency: PolicyUrgency
    private let owners: [SSHPublicKey: OperatorName]

    /// A policy of these parts; the error says which part does not fit the others.
    public init(
        version: Int64,
        issued: UTCTime,
        expires: UTCTime,
        operators: [OperatorName: PolicyOperator],
        groups: [OperatorName: [OperatorName]] = [:],
        commands: [CommandName: ApprovedCommand] = [:],
        rules: [PolicyRule],
        freezes: [PolicyFreeze] = [],
        limits: [Tag: Int] = [:],
        urgency: PolicyUrgency = PolicyUrgency()
    ) throws(JSONError) {
        self.version = version
        self.issued = issued.wholeSeconds
        self.expires = expires.wholeSeconds
        self.operators = operators
        self.groups = groups
        self.commands = commands
        self.rules = rules
        self.freezes = freezes
        self.limits = limits
        self.urgency = urgency
        owners = try Self.owners(operators)
        try checkNames()
    }

    /// Parses a policy's bytes.
    public init(parsing bytes: [UInt8]) throws(JSONError) {
        try self.init(try JSONFields(try JSONValue.parse(bytes, limit: Self.byteLimit)))
    }

    /// Reads a policy.
    public init(_ fields: JSONFields) throws(JSONError) {
        guard try fields.string("_type", limit: 64) == Self.typeName else {
            throw fields.error("_type", "is not \(Self.typeName)")
        }
        var operators: [OperatorName: PolicyOperator] = [:]
        for (name, member) in try fields.named("operators", as: OperatorName.self, limit: Self.operatorLimit) {
            operators[name] = try PolicyOperator(try JSONFields(member, at: "operators.\(name)"))
        }
        var groups: [OperatorName: [OperatorName]] = [:]
        if fields.has("groups") {
            let members = try fields.fields("groups")
            for (name, _) in try fields.named("groups", as: OperatorName.self, limit: Self.groupLimit) {
                groups[name] = try members.names(name.text, limit: Self.operatorLimit)
            }
        }
        var commands: [CommandName: ApprovedCommand] = [:]
        if fields.has("commands") {
            for (name, member) in try fields.named("commands", as: CommandName.self, limit: Self.commandLimit) {
                commands[name] = try ApprovedCommand(try JSONFields(member, at: "commands.\(name)"))
            }
        }
        try self.init(
            version: try fields.integer("version", in: 1...Int64.max),
            issued: try fields.time("issued"),
            expires: try fields.time("expires"),
            operators: operators,
            groups: groups,
            commands: commands,
            rules: try fields.objects("rules", limit: Self.ruleLimit).map { rule throws(JSONError) in
                try PolicyRule(rule)
            },
            freezes: try Self.freezes(fields),
            limits: try Self.limits(fields),
            urgency: fields.has("urgency") ? try PolicyUrgency(try fields.fields("urgency")) : PolicyUrgency()
        )
    }

    private static func freezes(_ fields: JSONFields) throws(JSONError) -> [PolicyFreeze] {
        guard fields.has("freezes") else { return [] }
        var freezes: [PolicyFreeze] = []
        for freeze in try fields.objects("freezes", limit: freezeLimit) { freezes.append(try PolicyFreeze(freeze)) }
        return freezes
    }

    private static func limits(_ fields: JSONFields) throws(JSONError) -> [Tag: Int] {
        guard fields.has("limits") else { return [:] }
        let members = try fields.fields("limits")
        var limits: [Tag: Int] = [:]
        for (tag, _) in try fields.named("limits", as: Tag.self, limit: tagLimit) {
            limits[tag] = Int(try members.integer(tag.text, in: 1...1_000_000))
        }
        return limits
    }

    /// The document.
    public var json: JSONValue {
        var object: JSONObject = [
            "_type": .string(Self.typeName), "version": .integer(version), "issued": JSONValue(issued),
            "expires": JSONValue(expires),
            "operators": .object(JSONObject(operators.map { ($0.key.text, $0.value.json) })),
            "groups": .object(JSONObject(groups.map { ($0.key.text, JSONValue($0.value)) })),
            "rules": .array(rules.map(\.json)),
        ]
        if !commands.isEmpty {
            object["commands"] = .object(JSONObject(commands.map { ($0.key.text, $0.value.json) }))
        }
        if !freezes.isEmpty { object["freezes"] = .array(freezes.map(\.json)) }
        if !limits.isEmpty {
            object["limits"] = .object(JSONObject(limits.map { ($0.key.text, JSONValue($0.value)) }))
        }
        if urgency != PolicyUrgency() { object["urgency"] = urgency.json }
        return .object(object)
    }

    /// The bytes of the TUF target.
    public var bytes: [UInt8] { json.canonicalBytes }

    /// Whose key this is, expired or not; nil for a key that is not in the policy.
    public func owner(of key: SSHPublicKey) -> (name: OperatorName, key: PolicyKey)? {
        guard let name = owners[key], let entry = operators[name]?.keys.first(where: { $0.publicKey == key }) else {
            return nil
        }
        return (name, entry)
    }

    /// The operator that a tailnet user is; nil where it is nobody, or more than one.
    ///
    /// Nobody can have a login that is empty or that all tagged nodes share.
    public func owner(ofLogin login: String) -> OperatorName? {
        guard !login.isEmpty, login != "tagged-devices" else { return nil }
        let names = operators.filter { $0.value.logins.contains { $0.utf8.elementsEqual(login.utf8) } }.keys
        return names.count == 1 ? names.first : nil
    }

    /// Why a key of the policy cannot be used at `time`; nil where it can.
    public func obstacle(to key: PolicyKey, of name: OperatorName, at time: UTCTime) -> String? {
        if time >= key.expires { return "the key of \(name) expired at \(key.expires)" }
        guard key.unknown.count == 0, operators[name]?.unknown.count == 0 else {
            return "the policy restricts the key of \(name) in a way that this program does not know"
        }
        return nil
    }

    /// The operators that a list of names and groups means.
    public func members(of subjects: [PolicySubject]) -> Set<OperatorName> {
        var names: Set<OperatorName> = []
        for subject in subjects {
            switch subject {
            case .person(let name): names.insert(name)
            case .group(let group): names.formUnion(groups[group] ?? [])
            }
        }
        return names
    }

    /// Whether a list of names and groups means this operator.
    public func isMember(_ name: OperatorName, of subjects: [PolicySubject]) -> Bool {
        subjects.contains { subject in
            switch subject {
            case .person(let person): person == name
            case .group(let group): groups[group]?.contains(name) ?? false
            }
        }
    }

    /// What a careful author wants to know before signing: parts that this program does not understand.
    public var unknownParts: [String] {
        var parts: [String] = []
        for rule in rules where !rule.notUnderstood.isEmpty {
            parts.append("rule '\(rule.name)': \(rule.notUnderstood.joined(separator: ", "))")
        }
        for freeze in freezes where freeze.unknown.count > 0 {
            parts.append("freeze '\(freeze.name)': \(freeze.unknown.keys.joined(separator: ", "))")
        }
        if urgency.unknown.count > 0 { parts.append("urgency: \(urgency.unknown.keys.joined(separator: ", "))") }
        for (name, command) in commands.sorted(by: { $0.key < $1.key }) {
            let unknown = command.notUnderstood
            if !unknown.isEmpty { parts.append("command '\(name)': \(unknown.joined(separator: ", "))") }
        }
        for (name, person) in operators.sorted(by: { $0.key < $1.key }) {
            let keys = person.unknown.keys + person.keys.flatMap(\.unknown.keys)
            if !keys.isEmpty { parts.append("operator '\(name)': \(keys.joined(separator: ", "))") }
        }
        return parts
    }

    private static let typeName = "policy"

    private static func owners(
        _ operators: [OperatorName: PolicyOperator]
    ) throws(JSONError) -> [SSHPublicKey: OperatorName] {
        var owners: [SSHPublicKey: OperatorName] = [:]
        for (name, person) in operators {
            for key in person.keys {
                if let other = owners.updateValue(name, forKey: key.publicKey) {
                    let pair = [name, other].sorted().map(\.text).joined(separator: " and ")
                    throw JSONError(location: "operators", reason: "key \(key.publicKey) is listed twice: \(pair)")
                }
            }
        }
        return owners
    }

    private func checkNames() throws(JSONError) {
        for (group, names) in groups {
            for name in names where operators[name] == nil {
                throw JSONError(location: "groups.\(group)", reason: "'\(name)' is not an operator")
            }
        }
        var frozen: Set<[UInt8]> = []
        for freeze in freezes {
            guard frozen.insert(Array(freeze.name.utf8)).inserted else {
                throw JSONError(location: "freezes", reason: "two freezes are named '\(freeze.name)'")
            }
        }
        var seen: Set<[UInt8]> = []
        for rule in rules {
            guard seen.insert(Array(rule.name.utf8)).inserted else {
                throw JSONError(location: "rules", reason: "two rules are named '\(rule.name)'")
            }
            try checkSubjects(rule.who, "rule '\(rule.name)', who")
            if case .only(let names)? = rule.commands, let name = names.sorted().first(where: { commands[$0] == nil }) {
                throw JSONError(location: "rule '\(rule.name)', commands", reason: "there is no command '\(name)'")
            }
            guard let approvals = rule.approvals else { continue }
            try checkSubjects(approvals.from, "rule '\(rule.name)', approvals.from")
            guard members(of: approvals.from).count >= approvals.count else {
                throw JSONError(
                    location: "rule '\(rule.name)', approvals",
                    reason: "asks for \(approvals.count) approvals of fewer operators"
                )
            }
        }
    }

    private func checkSubjects(_ subjects: [PolicySubject], _ location: String) throws(JSONError) {
        for subject in subjects {
            switch subject {
            case .person(let name) where operators[name] == nil:
                throw JSONError(location: location, reason: "'\(name)' is not an operator")
            case .group(let name) where groups[name] == nil:
                throw JSONError(location: location, reason: "'\(name)' is not a group")
            default: break
            }
        }
    }
}

extension JSONFields {
    /// The members of an object whose keys are names.
    fileprivate func named<Name: CheckedName>(
        _ key: String,
        as type: Name.Type,
        limit: Int
    ) throws(JSONError) -> [(Name, JSONValue)] {
        let members = try fields(key).object.members
        guard members.count <= limit else { throw error(key, "has \(members.count) entries, more than \(limit)") }
        var named: [(Name, JSONValue)] = []
        for member in members {
            guard let name = Name(member.key) else {
                throw error(key, "'\(member.key.prefix(80))' is not \(Name.form)")
            }
            named.append((name, member.value))
        }
        return named
    }
}
