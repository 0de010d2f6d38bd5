import ByteCoding
import CanonicalJSON
import MusterModel

/// `POST /v1/fleet`: the offline-signed beginning of a fleet.
///
/// Metadata travel as base64 of their exact bytes, since the fleet id is the digest of the root's.
public struct FleetUpload: Body {
    /// The metadata of a whole beginning fit.
    public static let byteLimit = 4_000_000

    /// The whole set-up token that `musterd serve` printed: secret.
    public let setupToken: String
    /// `1.root.json`.
    public let root: [UInt8]
    /// Version 1 of the top-level targets metadata.
    public let targets: [UInt8]
    /// Version 1 of the delegated `releases` metadata.
    public let releases: [UInt8]
    /// Version 1 of the delegated `policy` metadata.
    public let policy: [UInt8]
    /// The target file `policy/fleet.json`.
    public let policyDocument: [UInt8]
    /// The target file `ssh/trust.json`; nil for a fleet without an SSH side.
    public let sshTrust: [UInt8]?

    /// A beginning.
    public init(
        setupToken: String,
        root: [UInt8],
        targets: [UInt8],
        releases: [UInt8],
        policy: [UInt8],
        policyDocument: [UInt8],
        sshTrust: [UInt8]? = nil
    ) {
        self.setupToken = setupToken
        self.root = root
        self.targets = targets
        self.releases = releases
        self.policy = policy
        self.policyDocument = policyDocument
        self.sshTrust = sshTrust
    }

    /// Reads a beginning.
    public init(_ fields: JSONFields) throws(JSONError) {
        setupToken = try fields.string("setup_token", limit: 256)
        root = try fields.base64("root", limit: 512_000)
        targets = try fields.base64("targets", limit: 512_000)
        releases = try fields.base64("releases", limit: 512_000)
        policy = try fields.base64("policy", limit: 512_000)
        policyDocument = try fields.base64("policy_document", limit: 512_000)
        sshTrust = try fields.optional("ssh_trust") { fields, key throws(JSONError) in
            try fields.base64(key, limit: SSHTrust.byteLimit)
        }
    }

    /// The beginning as it is sent.
    public var json: JSONValue {
        var object: JSONObject = [
            "setup_token": .string(setupToken), "root": .string(Base64.encode(root)),
            "targets": .string(Base64.encode(targets)), "releases": .string(Base64.encode(releases)),
            "policy": .string(Base64.encode(policy)), "policy_document": .string(Base64.encode(policyDocument)),
        ]
        if let sshTrust { object["ssh_trust"] = .string(Base64.encode(sshTrust)) }
        return .object(object)
    }
}
