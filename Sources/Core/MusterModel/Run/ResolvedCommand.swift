/// Text in which secrets have their places and are not yet there.
public struct SecretText: Hashable, Sendable {
    /// A piece.
    public enum Part: Hashable, Sendable {
        case text(String)
        case secret(ParameterName)
    }

    /// The pieces, in order.
    public let parts: [Part]

    /// The text for people: `‹password›` where a secret goes.
    public var shown: String {
        parts.map { part in
            switch part {
            case .text(let text): text
            case .secret(let name): "‹\(name)›"
            }
        }.joined()
    }

    /// The secrets that it needs.
    public var secrets: [ParameterName] {
        parts.compactMap { part in
            if case .secret(let name) = part { name } else { nil }
        }
    }

    /// The bytes with the secrets in their places; nil where one is missing.
    public func filled(_ secrets: [ParameterName: [UInt8]]) -> [UInt8]? {
        var bytes: [UInt8] = []
        for part in parts {
            switch part {
            case .text(let text): bytes += text.utf8
            case .secret(let name):
                guard let secret = secrets[name] else { return nil }
                bytes += secret
            }
        }
        return bytes
    }
}

/// What a node would run: an approved command with its arguments in place.
///
/// A pure function of the command and the arguments, so that requester, approvers and node all see the same.
public struct ResolvedCommand: Hashable, Sendable {
    /// The program's path and its arguments.
    public let argv: [String]
    /// The account that it runs as.
    public let user: AccountName
    /// The folder that it runs in.
    public let directory: String
    /// Variables that the command and the run set; those of every process come besides.
    public let environment: [String: SecretText]
    /// Its standard input; nil for nothing.
    public let input: SecretText?
    /// How long it may take, in seconds.
    public let timeoutSeconds: Int64
    /// How many bytes of output are kept.
    public let outputBytes: Int64

    /// The secrets that it needs.
    public var secrets: Set<ParameterName> {
        Set(environment.values.flatMap(\.secrets) + (input?.secrets ?? []))
    }
}

extension ApprovedCommand {
    /// Most bytes of all words and variables together: far below what the kernel takes.
    public static let resolvedByteLimit = 131_072

    /// The command with these arguments, or why it cannot be run with them.
    public func resolve(
        _ arguments: [ParameterName: [String]],
        environment asked: [String: String] = [:]
    ) throws(CommandProblem) -> ResolvedCommand {
        if let problem = problems.first { throw CommandProblem("the command cannot be run: \(problem)") }
        let values = try values(arguments)
        var words: [String] = []
        for word in argv {
            let template = try CommandTemplate(word)
            if let only = template.only, parameters[only]?.list != nil {
                words += values[only] ?? []
            } else {
                words.append(Self.text(template, values).shown)
            }
        }
        var variables: [String: SecretText] = [:]
        for (name, value) in environment { variables[name] = Self.text(try CommandTemplate(value), values) }
        for (name, value) in asked {
            try checkAsked(name, value)
            variables[name] = SecretText(parts: [.text(value)])
        }
        let input = try self.input.map { text throws(CommandProblem) in Self.text(try CommandTemplate(text), values) }
        let size = words.reduce(0) { $0 + $1.utf8.count } + variables.reduce(0) { $0 + $1.value.shown.utf8.count }
        guard size <= Self.resolvedByteLimit, words.count <= 2 * Self.wordLimit else {
            throw CommandProblem("the command with its arguments is longer than \(Self.resolvedByteLimit) bytes")
        }
        return ResolvedCommand(
            argv: words,
            user: user,
            directory: directory,
            environment: variables,
            input: input,
            timeoutSeconds: timeoutSeconds,
            outputBytes: outputBytes
        )
    }

    /// The values of every parameter that is no secret, those given and those of the policy.
    private func values(_ arguments: [ParameterName: [String]]) throws(CommandProblem) -> [ParameterName: [String]] {
        for name in arguments.keys.sorted() where parameters[name] == nil {
            throw CommandProblem("the command has no parameter '\(name)'")
        }
        var values: [ParameterName: [String]] = [:]
        for (name, parameter) in parameters.sorted(by: { $0.key < $1.key }) {
            if parameter.isSecret {
                guard arguments[name] == nil else {
                    throw CommandProblem("'\(name)' is secret: it is sealed, not given")
                }
                continue
            }
            guard let given = arguments[name] ?? parameter.standard else {
                throw CommandProblem("parameter '\(name)' is missing")
            }
            guard !given.isEmpty, given.count <= parameter.list ?? 1 else {
                throw CommandProblem("parameter '\(name)' takes 1 to \(parameter.list ?? 1) values, not \(given.count)")
            }
            for value in given {
                if let objection = parameter.objection(to: value) {
                    throw CommandProblem("'\(value)' for parameter '\(name)' \(objection)")
                }
            }
            values[name] = given
        }
        return values
    }

    private func checkAsked(_ name: String, _ value: String) throws(CommandProblem) {
        guard environmentAllow.contains(name), EnvironmentVariable.mayBeAsked(name) else {
            throw CommandProblem("the command does not allow the variable '\(name)' to be set")
        }
        guard environment[name] == nil else { throw CommandProblem("the command itself sets the variable '\(name)'") }
        guard value.utf8.count <= EnvironmentVariable.valueLimit,
            value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
        else {
            throw CommandProblem("the variable '\(name)' is too long or holds control characters")
        }
    }

    private static func text(_ template: CommandTemplate, _ values: [ParameterName: [String]]) -> SecretText {
        var parts: [SecretText.Part] = []
        for part in template.parts {
            switch part {
            case .text(let text): parts.append(.text(text))
            case .parameter(let name):
                if let value = values[name]?.first { parts.append(.text(value)) } else { parts.append(.secret(name)) }
            }
        }
        return SecretText(parts: parts)
    }
}
