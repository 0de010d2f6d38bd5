import Glibc
import MusterSystem
import OpenSSHFormats

/// An operator's key by way of `ssh-keygen -Y sign`: agents, FIDO2 keys, PKCS#11 and passphrases work as they already do.
///
/// ssh-keygen runs at the terminal, so that it can ask for a passphrase or a touch. What is signed goes by standard input;
/// it never appears in an argument.
public struct SSHKeygenSigner: OperatorSigner {
    /// Where what ssh-keygen says goes.
    public enum Messages: Sendable {
        /// To standard error, as it comes: "Confirm user presence for key …".
        case shown
        /// Into the error, should there be one.
        case kept
    }

    /// The key that signs.
    public let publicKey: SSHPublicKey
    private let keyPath: String
    private let messages: Messages
    /// A person may need a while to find the key to touch.
    private static let patience = Duration.seconds(300)

    /// The key at `keyPath`: a private key file, or a `.pub` file whose key is in the agent.
    ///
    /// Its public half is read from `KEY.pub`, which must be there.
    public init(keyPath: String, messages: Messages = .shown) throws {
        let publicPath = keyPath.hasSuffix(".pub") ? keyPath : keyPath + ".pub"
        let text = String(decoding: try BoundedFile.read(publicPath, limit: SSHPublicKey.lineLimit), as: UTF8.self)
        publicKey = try SSHPublicKey(line: text)
        self.keyPath = keyPath
        self.messages = messages
    }

    /// Runs ssh-keygen and verifies what it returns.
    public func sign(_ message: [UInt8], namespace: String) async throws -> SSHSignature {
        let environment = Command.ownEnvironment
        guard let program = Command.find("ssh-keygen", path: environment["PATH"] ?? "/usr/bin:/bin") else {
            throw SigningError(.refused, "ssh-keygen is not in PATH: install openssh-client")
        }
        let result = try await Command(
            program,
            ["-Y", "sign", "-q", "-n", namespace, "-f", keyPath],
            environment: environment,
            input: message,
            atTerminal: messages == .shown,
            workingDirectory: "."
        ).run(timeout: Self.patience)
        guard result.succeeded else {
            let complaint = messages == .shown ? "see above" : result.errorText
            throw SigningError(.refused, "ssh-keygen did not sign with \(keyPath) (\(result.endingText)): \(complaint)")
        }
        let text = result.outputText
        let signature = try SSHSignature(armored: text)
        guard signature.publicKey == publicKey,
            signature.verify(message: message, namespace: namespace, requireTouch: false) == .valid
        else { throw SigningError(.badSignature, "ssh-keygen returned no valid signature by \(publicKey)") }
        return signature
    }
}
