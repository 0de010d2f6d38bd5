import Glibc
import MusterSystem
import OpenSSHFormats
import Subprocess

/// An operator's key by way of `ssh-keygen -Y sign`: agents, FIDO2 keys, PKCS#11 and passphrases work as they already do.
///
/// ssh-keygen stays in our process group so that it can ask for a passphrase on the terminal (a program that
/// `MusterSystem.Command` runs is in a group of its own, where the terminal stops it). What is signed goes by standard
/// input; it never appears in an argument.
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
        let arguments: Arguments = ["-Y", "sign", "-q", "-n", namespace, "-f", keyPath]
        let (text, complaint, status) = try await run(arguments, message)
        guard case .exited(0) = status else {
            throw SigningError(.refused, "ssh-keygen did not sign with \(keyPath) (\(status)): \(complaint)")
        }
        let signature = try SSHSignature(armored: text)
        guard signature.publicKey == publicKey,
            signature.verify(message: message, namespace: namespace, requireTouch: false) == .valid
        else { throw SigningError(.badSignature, "ssh-keygen returned no valid signature by \(publicKey)") }
        return signature
    }

    /// An ssh-keygen that gives up before it has read its input ends as a refusal with its own words: neither the broken
    /// pipe's signal nor its error may come first.
    private func run(_ arguments: Arguments, _ input: [UInt8]) async throws -> (String, String, TerminationStatus) {
        _ = signal(SIGPIPE, SIG_IGN)
        let limit = 2 * SSHSignature.byteLimit
        switch messages {
        case .shown:
            let result = try await Subprocess.run(
                .name("ssh-keygen"),
                arguments: arguments,
                input: .inputWriter,
                output: .string(limit: limit),
                error: .currentStandardError
            ) { await Self.feed($0.standardInputWriter, input) }
            return (result.standardOutput, "see above", result.terminationStatus)
        case .kept:
            let result = try await Subprocess.run(
                .name("ssh-keygen"),
                arguments: arguments,
                input: .inputWriter,
                output: .string(limit: limit),
                error: .string(limit: 65536)
            ) { await Self.feed($0.standardInputWriter, input) }
            return (result.standardOutput, result.standardError, result.terminationStatus)
        }
    }

    private static func feed(_ writer: StandardInputWriter, _ input: [UInt8]) async {
        _ = try? await writer.write(input)
        try? await writer.finish()
    }
}
