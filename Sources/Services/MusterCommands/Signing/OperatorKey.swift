import MusterModel
import MusterPolicy
import MusterSigners
import MusterSystem
import OpenSSHFormats

/// The operator's own SSH key: in an ssh-agent if it is there, else by `ssh-keygen -Y sign`.
enum OperatorKey {
    /// The key of a `.pub` file.
    static func publicKey(_ file: String) throws -> SSHPublicKey {
        let text = String(decoding: try BoundedFile.read(file, limit: SSHPublicKey.lineLimit), as: UTF8.self)
        do {
            return try SSHPublicKey(line: text)
        } catch {
            throw CommandFailure.refused("\(file) is no SSH public key: \(error)")
        }
    }

    /// Whose signature the configured key makes, by the trusted policy; a failure where it would not count.
    ///
    /// Not by the name that is configured: whose a signature is, the key says.
    static func owner(_ policy: FleetPolicy, _ context: CommandContext) throws -> OperatorName {
        let key = try publicKey(context.folder.operatorIdentity().publicKeyFile)
        guard let (name, entry) = policy.owner(of: key) else {
            throw CommandFailure.refused("your key \(key) is not in the policy: what it signs does not count")
        }
        if let obstacle = policy.obstacle(to: entry, of: name, at: context.now()) {
            throw CommandFailure.refused("\(obstacle): what it signs does not count")
        }
        return name
    }

    /// What signs with the key whose public half is in `file`.
    static func signer(_ file: String, _ context: CommandContext) async throws -> any OperatorSigner {
        let key = try publicKey(file)
        if let socket = context.environment["SSH_AUTH_SOCK"], !socket.isEmpty {
            let agent = SSHAgent(path: socket)
            if let keys = try? await agent.keys(), keys.contains(where: { $0.publicKey == key }) {
                return AgentOperatorSigner(agent: agent, publicKey: key)
            }
        }
        guard file.hasSuffix(".pub"), Directory.exists(String(file.dropLast(4))) else {
            throw CommandFailure.refused(
                "cannot sign with \(key): no ssh-agent holds it and its private half is not beside \(file)"
            )
        }
        return try SSHKeygenSigner(
            keyPath: String(file.dropLast(4)),
            messages: context.terminal.kind.canAsk ? .shown : .kept
        )
    }

    /// Signs a statement as its requester or as an approver.
    static func sign(
        _ bytes: [UInt8],
        type: StatementType,
        _ context: CommandContext
    ) async throws -> [UInt8] {
        let identity = try context.folder.operatorIdentity()
        let signer = try await signer(identity.publicKeyFile, context)
        return try await signer.sign(bytes, namespace: type.namespace).blob
    }
}
