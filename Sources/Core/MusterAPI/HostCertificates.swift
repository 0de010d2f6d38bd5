import CanonicalJSON

/// `POST /v1/node/host-certificate`: a node asks for certificates of the keys that its sshd shows.
///
/// For which names is the service's to say: those that the register has for the node, never what the node says.
public struct HostCertificateRequest: Body {
    /// The public keys, one line each; at most 16.
    public let publicKeys: [String]

    /// A request.
    public init(publicKeys: [String]) {
        self.publicKeys = publicKeys
    }

    /// Reads a request.
    public init(_ fields: JSONFields) throws(JSONError) {
        publicKeys = try fields.strings("public_keys", limit: 16, each: 4096)
    }

    /// The request as it is sent.
    public var json: JSONValue { ["public_keys": .array(publicKeys.map { .string($0) })] }
}

/// The certificates, in the order of the keys that were asked for.
public struct HostCertificateReply: Body {
    /// Lines as a `-cert.pub` file holds them, one for each key.
    public let certificates: [String]

    /// An answer.
    public init(certificates: [String]) {
        self.certificates = certificates
    }

    /// Sixteen certificates fit.
    public static var byteLimit: Int { 2_000_000 }

    /// Reads an answer.
    public init(_ fields: JSONFields) throws(JSONError) {
        certificates = try fields.strings("certificates", limit: 16, each: 100_000)
    }

    /// The answer as it is sent.
    public var json: JSONValue { ["certificates": .array(certificates.map { .string($0) })] }
}
