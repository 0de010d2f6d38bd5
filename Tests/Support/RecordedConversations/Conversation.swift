import CanonicalJSON
import MusterSystem

/// A conversation of a released agent with the service of its time, which every later service must be able to hold.
public struct Conversation: Sendable, CustomStringConvertible {
    /// What happens next.
    public enum Step: Sendable {
        /// People or time do something.
        case act(OperatorAct)
        /// The agent asks and is answered.
        case exchange(RecordedExchange)
    }

    /// The fleet that it takes place in.
    public struct Setting: Hashable, Sendable {
        /// Operators; the first one makes the fleet.
        public var operators: [String]
        /// The source of the policy, with `${public:NAME}` for an operator's public key.
        public var policy: String
        /// Options of musterd besides its folder and its address.
        public var serviceOptions: [String]

        /// A fleet of ada's, in which she may do everything.
        public init(operators: [String] = ["ada"], policy: String, serviceOptions: [String] = []) {
            self.operators = operators
            self.policy = policy
            self.serviceOptions = serviceOptions
        }
    }

    /// The version of the agent.
    public var version: String
    /// What the conversation is about, in one word or a few with hyphens.
    public var name: String
    /// The fleet.
    public var setting: Setting
    /// Everything that happens, in order.
    public var steps: [Step]

    /// A conversation.
    public init(version: String, name: String, setting: Setting, steps: [Step]) {
        self.version = version
        self.name = name
        self.setting = setting
        self.steps = steps
    }

    /// Reads a conversation.
    public init(_ fields: JSONFields) throws(JSONError) {
        version = try fields.string("version")
        name = try fields.string("name")
        let setting = try fields.fields("fleet")
        self.setting = Setting(
            operators: try setting.strings("operators", limit: 8),
            policy: try setting.string("policy", limit: 100_000),
            serviceOptions: try setting.strings("service_options", limit: 32)
        )
        steps = []
        for step in try fields.objects("steps", limit: 1000) {
            steps.append(
                step.has("request") ? .exchange(try RecordedExchange(step)) : .act(try OperatorAct(step))
            )
        }
    }

    /// The conversation as it is stored.
    public var json: JSONValue {
        [
            "version": .string(version), "name": .string(name),
            "fleet": [
                "operators": .array(setting.operators.map { .string($0) }), "policy": .string(setting.policy),
                "service_options": .array(setting.serviceOptions.map { .string($0) }),
            ],
            "steps": .array(
                steps.map { step in
                    switch step {
                    case .act(let act): act.json
                    case .exchange(let exchange): exchange.json
                    }
                }
            ),
        ]
    }

    /// The exchanges.
    public var exchanges: [RecordedExchange] {
        steps.compactMap { if case .exchange(let exchange) = $0 { exchange } else { nil } }
    }

    /// Its version and name.
    public var description: String { "\(version)/\(name)" }

    // MARK: - Files

    /// The folder `Tests/Compatibility`, found from this source file.
    public static var folder: String {
        Directory.parent(of: Directory.parent(of: Directory.parent(of: #filePath))) + "/Compatibility"
    }

    /// Every recorded conversation, `Tests/Compatibility/VERSION/NAME.json`.
    public static func all() throws -> [Conversation] {
        var found: [Conversation] = []
        for version in try Directory.entries(folder).sorted() where version.first?.isNumber == true {
            for file in try Directory.entries(folder + "/" + version).sorted() where file.hasSuffix(".json") {
                let bytes = try BoundedFile.read("\(folder)/\(version)/\(file)", limit: 10_000_000)
                found.append(try Conversation(JSONFields(JSONValue.parse(bytes, limit: bytes.count))))
            }
        }
        return found
    }

    /// Writes the conversation to its place.
    public func store() throws {
        try Directory.create("\(Self.folder)/\(version)", mode: 0o755)
        try AtomicFile.write(Array(json.prettyText.utf8), to: "\(Self.folder)/\(version)/\(name).json", mode: 0o644)
    }
}
