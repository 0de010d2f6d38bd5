import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy
import MusterSystem

/// What the principals command decides by: `login.json`, written by the agent whenever it has looked at the repository.
///
/// ```
/// {"fleet": "<64 hex>", "node": "web-1", "tags": ["web"], "policy": {…}, "expires": "…Z", "time": "…Z",
///  "user_ca": [{"public_key": "ssh-ed25519 AAAA…", "expires": "…Z"}]}
/// ```
/// Nothing in it is secret; only root may write it.
struct LoginFile: Sendable {
    /// An authority whose certificates count until a moment.
    struct Authority: Hashable, Sendable {
        let publicKey: String
        let expires: UTCTime
    }

    /// Most bytes of the file: the largest policy fits.
    static let byteLimit = FleetPolicy.byteLimit + 262_144

    let fleet: FleetID
    let node: NodeID
    let tags: Set<Tag>
    let policy: FleetPolicy
    /// When the policy, or what vouches for it, is over: nobody is let in by it any more.
    let expires: UTCTime
    /// When the agent wrote it: it is not earlier now, whatever the clock says.
    let time: UTCTime
    let authorities: [Authority]

    init(
        fleet: FleetID,
        node: NodeID,
        tags: Set<Tag>,
        policy: FleetPolicy,
        expires: UTCTime,
        time: UTCTime,
        authorities: [Authority]
    ) {
        self.fleet = fleet
        self.node = node
        self.tags = tags
        self.policy = policy
        self.expires = expires
        self.time = time
        self.authorities = authorities
    }

    init(_ fields: JSONFields) throws(JSONError) {
        fleet = try fields.name("fleet")
        node = try fields.name("node")
        tags = Set(try fields.names("tags", limit: 64))
        policy = try FleetPolicy(try fields.fields("policy"))
        expires = try fields.time("expires")
        time = try fields.time("time")
        authorities = try fields.objects("user_ca", limit: SSHTrust.authorityLimit).map { entry throws(JSONError) in
            Authority(publicKey: try entry.string("public_key", limit: 8192), expires: try entry.time("expires"))
        }
    }

    var json: JSONValue {
        [
            "fleet": JSONValue(fleet), "node": JSONValue(node), "tags": JSONValue(tags.sorted()),
            "policy": policy.json, "expires": JSONValue(expires), "time": JSONValue(time.wholeSeconds),
            "user_ca": .array(
                authorities.map { ["public_key": .string($0.publicKey), "expires": JSONValue($0.expires)] }
            ),
        ]
    }

    /// Reads the file; an error says why nobody is let in.
    static func load(_ path: String) throws(SystemError) -> LoginFile {
        let file = try StateFile.load(path, limit: byteLimit) { fields throws(JSONError) in try LoginFile(fields) }
        guard let file else { throw SystemError("read", path, because: "the agent has not written it yet") }
        return file
    }
}
