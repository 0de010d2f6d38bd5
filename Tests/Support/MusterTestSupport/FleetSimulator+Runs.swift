import ByteCoding
import CanonicalJSON
import MusterModel
import OpenSSHFormats
import TUF

extension FleetSimulator {
    /// Gives the policy a command; `definition` is the document's own form of it.
    public mutating func define(_ command: String, _ definition: JSONValue) throws {
        guard case .object(var policy) = policyDocument else { throw Failure.impossible }
        var commands = JSONObject()
        if case .object(let present)? = policy["commands"] { commands = present }
        commands[command] = definition
        policy["commands"] = .object(commands)
        policyDocument = .object(policy)
    }

    /// Gives the policy two commands, `echo` and `restart-web`, and who may run them.
    ///
    /// `ada` runs everything everywhere; `ben` runs `restart-web` on `tag:web`, with one approval.
    public mutating func allowRuns() throws {
        try define("echo", Self.echo)
        try define("restart-web", Self.restartWeb)
        try allow(["name": "owner-runs", "allow": ["run"], "who": ["ada"], "nodes": ["*"], "commands": ["*"]])
        try allow([
            "name": "ben-runs-with-approval", "allow": ["run"], "who": ["ben"], "nodes": ["tag:web"],
            "commands": ["restart-web"], "approvals": ["count": 1, "from": ["group:leads"]],
        ])
    }

    /// Prints its words.
    public static let echo: JSONValue = [
        "description": "prints its words", "argv": ["/bin/echo", "{words}"], "user": "root",
        "parameters": ["words": ["type": "text", "pattern": "[A-Za-z0-9 _.-]*", "list": 8, "default": ["hello"]]],
    ]

    /// Restarts one of two units.
    public static let restartWeb: JSONValue = [
        "argv": ["/usr/bin/systemctl", "restart", "{unit}"], "user": "root", "timeout_seconds": 30,
        "parameters": ["unit": ["type": "choice", "values": ["nginx", "php-fpm"]]],
        "environment": ["LANG": "C.UTF-8"], "environment_allow": ["DEBUG"],
    ]

    /// The approved command of that name, as the policy has it now.
    public func definition(_ command: String) throws -> ApprovedCommand {
        guard case .object(let policy) = policyDocument, case .object(let commands)? = policy["commands"],
            let definition = commands[command]
        else { throw Failure.impossible }
        return try ApprovedCommand(try JSONFields(definition, at: "commands.\(command)"))
    }

    /// What a `run` of an approved command asks for, by the definition in the policy unless another is given.
    public func run(
        _ command: String,
        _ arguments: [String: [String]] = [:],
        on nodes: [NodeID],
        definition: ApprovedCommand? = nil,
        environment: [String: String] = [:],
        sealed: [String: [NodeID: [UInt8]]] = [:],
        notBefore: UTCTime? = nil,
        ssh: RunBody.OverSSH? = nil
    ) throws -> RunBody {
        func named<Value>(_ values: [String: Value]) throws -> [ParameterName: Value] {
            var named: [ParameterName: Value] = [:]
            for (text, value) in values {
                guard let name = ParameterName(text) else { throw Failure.impossible }
                named[name] = value
            }
            return named
        }
        guard let name = CommandName(command) else { throw Failure.impossible }
        return RunBody(
            command: name,
            definition: try definition ?? self.definition(command),
            arguments: try named(arguments),
            sealed: try named(sealed),
            environment: environment,
            nodes: nodes,
            notBefore: notBefore,
            ssh: ssh
        )
    }

    /// A manifest's envelope with these runs, signed by the service's manifest key unless another is given.
    public func manifest(
        for node: NodeID,
        sequence: Int64,
        runs: [SignedStatement],
        cancelled: [RunID] = [],
        tags: [SignedStatement] = [],
        signedBy key: TestKey? = nil
    ) throws -> [UInt8] {
        let manifest = UpdateManifest(
            fleet: fleet,
            node: node,
            sequence: sequence,
            issued: time,
            expires: time.adding(seconds: UpdateManifest.lifetime),
            timestampVersion: timestampVersion,
            assignments: [],
            tags: tags,
            runs: runs.map { UpdateManifest.Run(run: $0.statement.id, statement: $0) },
            cancelled: cancelled
        )
        return try sign(manifest.json, [key ?? manifestKey]).bytes
    }
}
