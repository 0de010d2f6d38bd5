import CanonicalJSON

/// A command that the policy's owners approved, to be run with arguments of their choosing by whom their rules name.
///
/// ```
/// {"argv": ["/usr/bin/systemctl", "restart", "{unit}"], "user": "root", "timeout_seconds": 60,
///  "parameters": {"unit": {"type": "text", "pattern": "nginx|php-fpm"}}}
/// ```
/// A value is always part of one word: nothing is split, and no shell reads it unless the command itself is one. Secrets
/// stand in `input` and `environment` only, where no other process sees them.
///
/// Compatibility: members may be added; a program that does not know one of a command's members cannot run that command.
public struct ApprovedCommand: Hashable, Sendable {
    /// How long a process may take, in seconds.
    public static let timeouts: ClosedRange<Int64> = 1...86400
    /// How much output is kept, in bytes of both streams together.
    public static let outputs: ClosedRange<Int64> = 1024...16_777_216
    /// Most words, and most variables and parameters.
    public static let wordLimit = 256
    /// Most bytes of a word.
    public static let wordByteLimit = 8192

    /// What it is for.
    public let text: String?
    /// The program's absolute path and its arguments, with placeholders.
    public let argv: [String]
    /// What a run may choose.
    public let parameters: [ParameterName: CommandParameter]
    /// The account that it runs as.
    public let user: AccountName
    /// The folder that it runs in.
    public let directory: String
    /// Variables of its environment, with placeholders.
    public let environment: [String: String]
    /// Variables that a run may set.
    public let environmentAllow: [String]
    /// What its standard input is, with placeholders; nil for nothing.
    public let input: String?
    /// How long it may take, in seconds.
    public let timeoutSeconds: Int64
    /// How many bytes of output are kept.
    public let outputBytes: Int64
    /// Members that this program does not know: it cannot be run here.
    public let unknown: JSONObject

    /// A command of these parts.
    public init(
        argv: [String],
        parameters: [ParameterName: CommandParameter] = [:],
        user: AccountName,
        text: String? = nil,
        directory: String = "/",
        environment: [String: String] = [:],
        environmentAllow: [String] = [],
        input: String? = nil,
        timeoutSeconds: Int64 = 60,
        outputBytes: Int64 = 1_048_576
    ) {
        self.argv = argv
        self.parameters = parameters
        self.user = user
        self.text = text
        self.directory = directory
        self.environment = environment
        self.environmentAllow = environmentAllow
        self.input = input
        self.timeoutSeconds = timeoutSeconds
        self.outputBytes = outputBytes
        unknown = JSONObject()
    }

    /// Reads a command; whether it can be run is for `problems` to say.
    public init(_ fields: JSONFields) throws(JSONError) {
        argv = try fields.strings("argv", limit: Self.wordLimit, each: Self.wordByteLimit)
        var parameters: [ParameterName: CommandParameter] = [:]
        for (name, value) in try fields.members("parameters") {
            guard let parameter = ParameterName(name) else {
                throw fields.error("parameters", "'\(name)' is not \(ParameterName.form)")
            }
            parameters[parameter] = try CommandParameter(
                JSONFields(value, at: fields.path(of: "parameters") + "." + name)
            )
        }
        self.parameters = parameters
        user = try fields.name("user")
        text = try fields.optional("description") { fields, key throws(JSONError) in
            try fields.plainText(key, limit: 1000)
        }
        directory =
            try fields.optional("directory") { fields, key throws(JSONError) in
                try fields.plainText(key, limit: Self.wordByteLimit)
            } ?? "/"
        environment = try fields.texts("environment", limit: Self.wordByteLimit)
        environmentAllow =
            try fields.optional("environment_allow") { fields, key throws(JSONError) in
                try fields.strings(key, limit: Self.wordLimit, each: 128)
            } ?? []
        input = try fields.optional("input") { fields, key throws(JSONError) in
            try fields.string(key, limit: 65536)
        }
        timeoutSeconds =
            try fields.optional("timeout_seconds") { fields, key throws(JSONError) in
                try fields.integer(key, in: Self.timeouts)
            } ?? 60
        outputBytes =
            try fields.optional("output_bytes") { fields, key throws(JSONError) in
                try fields.integer(key, in: Self.outputs)
            } ?? 1_048_576
        unknown = fields.others(than: Self.members)
    }

    /// The command as the policy and a statement have it.
    public var json: JSONValue {
        var object = unknown
        object["argv"] = .array(argv.map { .string($0) })
        object["user"] = JSONValue(user)
        if !parameters.isEmpty {
            object["parameters"] = .object(JSONObject(parameters.map { ($0.key.text, $0.value.json) }))
        }
        if let text { object["description"] = .string(text) }
        if directory != "/" { object["directory"] = .string(directory) }
        if !environment.isEmpty { object["environment"] = .texts(environment) }
        if !environmentAllow.isEmpty { object["environment_allow"] = .array(environmentAllow.map { .string($0) }) }
        if let input { object["input"] = .string(input) }
        if timeoutSeconds != 60 { object["timeout_seconds"] = .integer(timeoutSeconds) }
        if outputBytes != 1_048_576 { object["output_bytes"] = .integer(outputBytes) }
        return .object(object)
    }

    /// The parameters whose values are sealed.
    public var secrets: [ParameterName] { parameters.filter(\.value.isSecret).keys.sorted() }

    /// Whether both have the same canonical bytes; to `==`, texts of other bytes may be the same text of Unicode.
    public func isSame(as other: ApprovedCommand) -> Bool { json.canonicalBytes == other.json.canonicalBytes }

    private static let members: Set<String> = [
        "argv", "parameters", "user", "description", "directory", "environment", "environment_allow", "input",
        "timeout_seconds", "output_bytes",
    ]
}

extension JSONFields {
    /// The members of an optional object, at most 256.
    fileprivate func members(_ key: String) throws(JSONError) -> [(String, JSONValue)] {
        guard has(key) else { return [] }
        let members = try fields(key).object.members
        guard members.count <= ApprovedCommand.wordLimit else {
            throw error(key, "has more than \(ApprovedCommand.wordLimit) members")
        }
        return members.map { ($0.key, $0.value) }
    }

    /// An optional object of texts, at most 256.
    public func texts(_ key: String, limit: Int) throws(JSONError) -> [String: String] {
        var texts: [String: String] = [:]
        for (name, _) in try members(key) { texts[name] = try fields(key).string(name, limit: limit) }
        return texts
    }
}

extension JSONValue {
    /// An object of texts.
    public static func texts(_ texts: [String: String]) -> JSONValue {
        .object(JSONObject(texts.map { ($0.key, .string($0.value)) }))
    }
}
