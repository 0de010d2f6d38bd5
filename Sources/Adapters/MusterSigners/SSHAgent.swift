import Glibc
import MusterSystem
import OpenSSHFormats

/// An ssh-agent behind a Unix socket: one connection for each request, every reply bounded in size and time.
///
/// The agent is trusted to hold keys, not to be right: what it signs is verified before it is used.
public struct SSHAgent: Sendable {
    /// The socket's path.
    public let path: String
    /// How long listing keys may take.
    public var listTimeout: Duration
    /// How long signing may take: somebody may have to confirm or touch.
    public var signTimeout: Duration

    /// The agent at a socket.
    public init(path: String, listTimeout: Duration = .seconds(5), signTimeout: Duration = .seconds(60)) {
        self.path = path
        self.listTimeout = listTimeout
        self.signTimeout = signTimeout
    }

    /// The agent that `SSH_AUTH_SOCK` names; nil where it is not set.
    public static func ofEnvironment() -> SSHAgent? {
        guard let path = getenv("SSH_AUTH_SOCK") else { return nil }
        let text = String(cString: path)
        return text.isEmpty ? nil : SSHAgent(path: text)
    }

    /// The keys that the agent holds, those of unknown kinds included.
    public func keys() async throws(SigningError) -> [SSHAgentIdentity] {
        guard case .keys(let identities) = try await ask(.listKeys, listTimeout) else {
            throw SigningError(.refused, "the ssh-agent at \(path) does not list its keys")
        }
        return identities
    }

    /// A signature over `data`, verified; RSA keys sign with SHA-512 unless told otherwise.
    public func sign(
        _ data: [UInt8],
        key: SSHPublicKey,
        algorithm: SSHSignatureAlgorithm? = nil
    ) async throws(SigningError) -> SSHKeySignature {
        let algorithm = algorithm ?? key.kind.preferredAlgorithm
        let request = SSHAgentRequest.sign(key: key, data: data, algorithm: algorithm)
        guard case .signature(let signature) = try await ask(request, signTimeout) else {
            throw SigningError(
                .refused,
                "the ssh-agent at \(path) refused to sign with \(key): add the key with ssh-add, or confirm its use"
            )
        }
        guard signature.algorithm == algorithm,
            signature.verify(data: data, key: key, requireTouch: false) == .valid
        else { throw SigningError(.badSignature, "the ssh-agent at \(path) returned no valid signature by \(key)") }
        return signature
    }

    /// Lets the agent hold a key, alone or with a certificate, for as long as the addition says.
    public func add(_ addition: SSHAgentAddition) async throws(SigningError) {
        guard case .success = try await ask(.add(addition), listTimeout) else {
            throw SigningError(.refused, "the ssh-agent at \(path) does not take keys with these constraints")
        }
    }

    /// Lets the agent forget a key or certificate; false where it did not hold it.
    public func remove(blob: [UInt8]) async throws(SigningError) -> Bool {
        if case .success = try await ask(.remove(blob: blob), listTimeout) { return true }
        return false
    }

    private func ask(_ request: SSHAgentRequest, _ timeout: Duration) async throws(SigningError) -> SSHAgentReply {
        let payload = try await SSHAgentExchange(path: path).run(request.payload, timeout: timeout)
        do throws(SSHFormatError) {
            return try SSHAgentReply(payload: payload)
        } catch {
            throw SigningError(.malformed, "the ssh-agent at \(path) answered what is no answer: \(error)")
        }
    }
}

extension SSHKeyKind {
    /// How muster lets a key of this kind sign.
    public var preferredAlgorithm: SSHSignatureAlgorithm {
        switch self {
        case .ed25519: .ed25519
        case .ecdsaP256: .ecdsaP256
        case .skEd25519: .skEd25519
        case .skECDSAP256: .skECDSAP256
        case .rsa: .rsaSHA512
        }
    }
}
