import CanonicalJSON
import MusterModel

/// The answer of `GET /v1/ssh/trust`: which CAs the fleet trusts, for anybody.
///
/// Nobody has to believe it: it is the TUF target `ssh/trust.json`, whose path, length and digest clients verify by TUF.
public struct SSHTrustReply: Body {
    /// The document.
    public let trust: SSHTrust
    /// The version of the policy metadata that names it.
    public let policyVersion: Int64
    /// Lines of the host CAs that are trusted now, `ssh-ed25519 AAAA…`, for `@cert-authority` lines.
    public let hostAuthorities: [String]

    /// An answer.
    public init(trust: SSHTrust, policyVersion: Int64, hostAuthorities: [String]) {
        self.trust = trust
        self.policyVersion = policyVersion
        self.hostAuthorities = hostAuthorities
    }

    /// Reads an answer.
    public init(_ fields: JSONFields) throws(JSONError) {
        trust = try SSHTrust(try fields.fields("trust"))
        policyVersion = try fields.integer("policy_version")
        hostAuthorities = try fields.strings("host_authorities", limit: SSHTrust.authorityLimit, each: 8192)
    }

    /// The answer as it is sent.
    public var json: JSONValue {
        [
            "trust": trust.json, "policy_version": .integer(policyVersion),
            "host_authorities": .array(hostAuthorities.map { .string($0) }),
        ]
    }
}
