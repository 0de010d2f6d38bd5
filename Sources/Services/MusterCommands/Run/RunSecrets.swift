import ArgumentParser
import Glibc
import MusterKeys
import MusterModel
import MusterSystem

/// Where the values of secret parameters come from: never the command line.
struct RunSecretOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Ask for this secret parameter on the terminal, which is what happens unless told.",
            valueName: "name"
        )
    )
    var secret: [NameArgument<ParameterName>] = []

    @Option(
        help: ArgumentHelp(
            "Read a secret parameter from a file; a newline at its end does not count.",
            valueName: "name=file"
        )
    )
    var secretFile: [PairArgument] = []

    @Option(help: ArgumentHelp("Read a secret parameter from an open file descriptor.", valueName: "name=n"))
    var secretFd: [PairArgument] = []

    @Option(
        help: ArgumentHelp(
            "Seal secrets to this node's key, which is right though it is new, or the one before has not signed it.",
            valueName: "node"
        )
    )
    var acceptNodeKey: [String] = []

    @Flag(help: "With --yes: seal secrets to the keys of nodes that never had one of yours, unseen.")
    var acceptNewNodeKeys = false

    /// The keys that a proposal's secrets are to be sealed to, remembered from now on; nil where it has none.
    ///
    /// Where nobody is `asking`, a key that was never seen needs somebody's word.
    func keys(
        for proposal: RunProposal,
        asking: Bool,
        _ context: CommandContext,
        _ service: ServiceConnection
    ) async throws -> SealingKeys? {
        guard !proposal.body.definition.secrets.isEmpty else {
            guard acceptNodeKey.isEmpty, !acceptNewNodeKeys else {
                throw CommandFailure.usage(
                    "--accept-node-key and --accept-new-node-keys go with commands that have secrets"
                )
            }
            return nil
        }
        let keys = try await SealingKeys(
            for: proposal.nodes.records,
            accepted: Set(acceptNodeKey),
            context,
            service
        )
        if !asking, !acceptNewNodeKeys { try keys.requireNoStranger(but: Set(acceptNodeKey)) }
        for remark in keys.remarks { context.terminal.note(StyledText("  \(remark)", .warning)) }
        return keys
    }

    /// The value of each secret parameter of a command.
    func values(
        for definition: ApprovedCommand,
        _ context: CommandContext
    ) throws -> [ParameterName: SecretBytes] {
        var values: [ParameterName: SecretBytes] = [:]
        for pair in secretFile {
            var bytes = try BoundedFile.read(context.absolute(pair.value), limit: SealedSecret.secretLimit + 1)
            try add(&bytes, pair.name, definition, &values)
        }
        for pair in secretFd {
            guard let descriptor = Int32(pair.value), descriptor >= 0 else {
                throw CommandFailure.usage("'\(pair.value)' is no file descriptor")
            }
            var bytes = try Self.read(descriptor)
            try add(&bytes, pair.name, definition, &values)
        }
        for name in secret.map(\.name) where values[name] != nil {
            throw CommandFailure.usage("the secret '\(name)' is given twice")
        }
        for name in Set(definition.secrets).union(secret.map(\.name)).sorted() where values[name] == nil {
            var bytes = try context.terminal.askSecret(
                "the secret '\(name)'",
                instead: "--secret-file or --secret-fd"
            )
            try add(&bytes, name.text, definition, &values)
        }
        return values
    }

    private func add(
        _ bytes: inout [UInt8],
        _ name: String,
        _ definition: ApprovedCommand,
        _ values: inout [ParameterName: SecretBytes]
    ) throws {
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        let value = SecretBytes(wiping: &bytes)
        guard let parameter = ParameterName(name), definition.parameters[parameter]?.isSecret == true else {
            throw CommandFailure.usage("'\(name)' is no secret parameter of the command")
        }
        guard values.updateValue(value, forKey: parameter) == nil else {
            throw CommandFailure.usage("the secret '\(name)' is given twice")
        }
        let text = value.withBytes {
            String(validating: UnsafeBufferPointer(start: $0, count: value.count), as: UTF8.self)
        }
        guard value.count > 0 else { throw CommandFailure.refused("the secret '\(name)' is empty") }
        // What is sealed are the bytes as they are, and a node takes no others.
        guard let text else { throw CommandFailure.refused("the secret '\(name)' is no text in UTF-8") }
        if let objection = definition.parameters[parameter]?.objection(to: text) {
            throw CommandFailure.refused("the secret '\(name)' \(objection)")
        }
    }

    private static func read(_ descriptor: Int32) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        defer { _ = SecretBytes(wiping: &buffer) }
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw CommandFailure.undetermined("cannot read a secret from descriptor \(descriptor)")
            }
            if count == 0 { return bytes }
            bytes += buffer[..<count]
            guard bytes.count <= SealedSecret.secretLimit + 1 else {
                throw CommandFailure.refused("a secret is longer than \(SealedSecret.secretLimit) bytes")
            }
        }
    }
}
