import ByteCoding
import CanonicalJSON
import OpenSSHFormats

/// `run`: one approved command, with its arguments, on these nodes.
///
/// ```
/// "command": "restart-web", "definition": {…}, "arguments": {"unit": ["nginx"]}, "nodes": ["n1", "n2"],
/// "selector": "tag:web"?, "not_before": "…Z"?, "environment": {…}?, "sealed": {…}?, "ssh": {…}?, "reason": "…"?,
/// "fan_out": {"concurrency": 10, "batch": 0, "max_failures": 1}
/// ```
/// The command stands in it as the policy had it when the requester signed: approvers sign what they see, and a node whose
/// policy says something else by then refuses. The nodes are named one by one: nobody approves "some nodes".
public struct RunBody: Hashable, Sendable {
    /// Most nodes of one run.
    public static let nodeLimit = 2000
    /// Longest life of the statement, in seconds.
    public static let statementLifetime: Int64 = 7 * 86400
    /// Most bytes of one sealed value.
    public static let sealedLimit = CommandParameter.valueLimit + 80

    /// How a run spreads over its nodes; the service follows it.
    public struct FanOut: Hashable, Sendable {
        /// How many nodes may be at work at once; 0 for all.
        public let concurrency: Int
        /// How many nodes are begun before the next ones wait for the end of all of these; 0 for no batches.
        public let batch: Int
        /// Once more than so many nodes failed, no further ones are begun; nil for no such end.
        public let maximumFailures: Int?

        /// All nodes at once, whatever fails.
        public static let wide = FanOut(concurrency: 0, batch: 0, maximumFailures: nil)

        /// A way of spreading.
        public init(concurrency: Int, batch: Int, maximumFailures: Int?) {
            self.concurrency = concurrency
            self.batch = batch
            self.maximumFailures = maximumFailures
        }

        /// Reads it.
        public init(_ fields: JSONFields) throws(JSONError) {
            func count(_ key: String) throws(JSONError) -> Int {
                try fields.optional(key) { fields, key throws(JSONError) in
                    Int(try fields.integer(key, in: 0...1_000_000))
                } ?? 0
            }
            concurrency = try count("concurrency")
            batch = try count("batch")
            maximumFailures = fields.has("max_failures") ? try count("max_failures") : nil
        }

        /// It as it is signed.
        public var json: JSONValue {
            var object: JSONObject = ["concurrency": JSONValue(concurrency), "batch": JSONValue(batch)]
            if let maximumFailures { object["max_failures"] = JSONValue(maximumFailures) }
            return .object(object)
        }
    }

    /// A run that the operator's own machine carries out over SSH, with a certificate that says exactly this.
    public struct OverSSH: Hashable, Sendable {
        /// How long such a certificate may live, in seconds.
        public static let validity: ClosedRange<Int64> = 30...600

        /// The key that the certificate is for: made for this run.
        public let publicKey: SSHPublicKey
        /// For how many seconds the certificate is wanted.
        public let seconds: Int64

        /// A run over SSH.
        public init(publicKey: SSHPublicKey, seconds: Int64) {
            self.publicKey = publicKey
            self.seconds = seconds
        }

        init(_ fields: JSONFields) throws(JSONError) {
            publicKey = try fields.sshPublicKey("public_key")
            seconds = try fields.integer("seconds", in: Self.validity)
        }

        var json: JSONValue { ["public_key": .string(publicKey.line), "seconds": .integer(seconds)] }
    }

    /// The command's name in the policy.
    public var command: CommandName
    /// The command as the policy has it.
    public var definition: ApprovedCommand
    /// The values of its parameters.
    public var arguments: [ParameterName: [String]]
    /// By secret parameter and node, the value sealed to that node's key.
    public var sealed: [ParameterName: [NodeID: [UInt8]]]
    /// Variables that the command allows to be set.
    public var environment: [String: String]
    /// The nodes, sorted, each once.
    public var nodes: [NodeID]
    /// What was typed to choose them, for people.
    public var selector: String?
    /// Nothing starts before; nil for at once.
    public var notBefore: UTCTime?
    /// How it spreads.
    public var fanOut: FanOut
    /// Set where no agent runs it.
    public var ssh: OverSSH?
    /// What it is for, for the log.
    public var reason: String?

    /// A body of these parts; the nodes are sorted, and each named once.
    public init(
        command: CommandName,
        definition: ApprovedCommand,
        arguments: [ParameterName: [String]] = [:],
        sealed: [ParameterName: [NodeID: [UInt8]]] = [:],
        environment: [String: String] = [:],
        nodes: some Sequence<NodeID>,
        selector: String? = nil,
        notBefore: UTCTime? = nil,
        fanOut: FanOut = .wide,
        ssh: OverSSH? = nil,
        reason: String? = nil
    ) {
        self.command = command
        self.definition = definition
        self.arguments = arguments
        self.sealed = sealed
        self.environment = environment
        self.nodes = Set(nodes).sorted()
        self.selector = selector
        self.notBefore = notBefore?.wholeSeconds
        self.fanOut = fanOut
        self.ssh = ssh
        self.reason = reason
    }

    init(_ fields: JSONFields) throws(JSONError) {
        command = try fields.name("command")
        definition = try ApprovedCommand(try fields.fields("definition"))
        arguments = try Self.arguments(fields)
        sealed = try Self.sealed(fields)
        environment = try fields.texts("environment", limit: EnvironmentVariable.valueLimit)
        nodes = try fields.names("nodes", limit: Self.nodeLimit)
        guard !nodes.isEmpty else { throw fields.error("nodes", "is empty") }
        guard zip(nodes, nodes.dropFirst()).allSatisfy(<) else {
            throw fields.error("nodes", "is not sorted, or names a node twice")
        }
        selector = try fields.optional("selector") { fields, key throws(JSONError) in
            try fields.plainText(key, limit: 4096)
        }
        notBefore = try fields.optional("not_before") { fields, key throws(JSONError) in try fields.time(key) }
        fanOut =
            try fields.optional("fan_out") { fields, key throws(JSONError) in try FanOut(try fields.fields(key)) }
            ?? .wide
        ssh = try fields.optional("ssh") { fields, key throws(JSONError) in try OverSSH(try fields.fields(key)) }
        reason = try fields.optional("reason") { fields, key throws(JSONError) in
            try fields.plainText(key, limit: 1000)
        }
    }

    var members: JSONObject {
        var object: JSONObject = [
            "command": JSONValue(command), "definition": definition.json, "nodes": JSONValue(nodes),
            "fan_out": fanOut.json,
            "arguments": .object(
                JSONObject(arguments.map { ($0.key.text, .array($0.value.map { .string($0) })) })
            ),
        ]
        if !sealed.isEmpty {
            object["sealed"] = .object(
                JSONObject(
                    sealed.map { name, values in
                        (
                            name.text,
                            .object(
                                JSONObject(values.map { ($0.key.text, .string(Base64.encode($0.value))) })
                            )
                        )
                    }
                )
            )
        }
        if !environment.isEmpty { object["environment"] = .texts(environment) }
        if let selector { object["selector"] = .string(selector) }
        if let notBefore { object["not_before"] = JSONValue(notBefore) }
        if let ssh { object["ssh"] = ssh.json }
        if let reason { object["reason"] = .string(reason) }
        return object
    }

    /// What would run, or why these arguments do not fit the command.
    public func resolve() throws(CommandProblem) -> ResolvedCommand {
        try definition.resolve(arguments, environment: environment)
    }

    private static func arguments(_ fields: JSONFields) throws(JSONError) -> [ParameterName: [String]] {
        guard fields.has("arguments") else { return [:] }
        var arguments: [ParameterName: [String]] = [:]
        let members = try fields.fields("arguments")
        for name in try members.parameterNames() {
            arguments[name] = try members.strings(
                name.text,
                limit: CommandParameter.listLimit,
                each: CommandParameter.valueLimit
            )
        }
        return arguments
    }

    private static func sealed(_ fields: JSONFields) throws(JSONError) -> [ParameterName: [NodeID: [UInt8]]] {
        guard fields.has("sealed") else { return [:] }
        var sealed: [ParameterName: [NodeID: [UInt8]]] = [:]
        let members = try fields.fields("sealed")
        for name in try members.parameterNames() {
            let values = try members.fields(name.text)
            guard values.object.count <= nodeLimit else { throw members.error(name.text, "has too many members") }
            for key in values.object.keys {
                guard let node = NodeID(key) else { throw values.error(key, "is not \(NodeID.form)") }
                sealed[name, default: [:]][node] = try values.base64(key, limit: sealedLimit)
            }
        }
        return sealed
    }
}

extension JSONFields {
    fileprivate func parameterNames() throws(JSONError) -> [ParameterName] {
        guard object.count <= ApprovedCommand.wordLimit else { throw error("", "has too many members") }
        var names: [ParameterName] = []
        for key in object.keys {
            guard let name = ParameterName(key) else { throw error(key, "is not \(ParameterName.form)") }
            names.append(name)
        }
        return names
    }
}
