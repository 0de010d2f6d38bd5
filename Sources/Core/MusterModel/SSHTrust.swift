import ByteCoding
import CanonicalJSON
import OpenSSHFormats

/// Which SSH certificate authorities a fleet trusts: the TUF target `ssh/trust.json`, signed by the policy keys.
///
/// ```
/// {"_type": "ssh-trust", "version": 3,
///  "user_ca": [{"public_key": "ssh-ed25519 AAAA…", "phase": "signing", "since": "…Z", "expires": "…Z"}],
///  "host_ca": […]}
/// ```
/// Nodes trust every user CA that is listed and not expired, clients every host CA, whatever its phase. The two kinds never
/// share a key: a host certificate must not open a door. A fleet without this file has no SSH side.
///
/// Compatibility: members may be added and are ignored; a phase that this program does not know makes the file unreadable.
public struct SSHTrust: Hashable, Sendable {
    /// Its TUF target path.
    public static let targetPath = "ssh/trust.json"
    /// Most bytes of the file.
    public static let byteLimit = 262_144
    /// Most authorities of one kind.
    public static let authorityLimit = 16

    /// How far the rotation of an authority is.
    public enum Phase: String, Hashable, Sendable, CaseIterable {
        /// Trusted, but signs nothing yet: it waits until every node has proved that its sshd trusts it.
        case announced
        /// Signs; exactly one of each kind does.
        case signing
        /// Signs no more; trusted until what it signed has run out.
        case retiring
    }

    /// One certificate authority.
    public struct Authority: Hashable, Sendable {
        /// Its key.
        public let publicKey: SSHPublicKey
        /// How far its rotation is.
        public let phase: Phase
        /// Since when it is in this phase.
        public let since: UTCTime
        /// From this moment on nobody trusts it.
        public let expires: UTCTime

        /// An authority; moments are cut to whole seconds.
        public init(publicKey: SSHPublicKey, phase: Phase, since: UTCTime, expires: UTCTime) {
            self.publicKey = publicKey
            self.phase = phase
            self.since = since.wholeSeconds
            self.expires = expires.wholeSeconds
        }
    }

    /// Rises with each version of the file.
    public let version: Int64
    /// Those whose certificates let people in.
    public let userAuthorities: [Authority]
    /// Those whose certificates name hosts.
    public let hostAuthorities: [Authority]

    /// A document of these parts; the error says which part does not fit the others.
    public init(
        version: Int64,
        userAuthorities: [Authority],
        hostAuthorities: [Authority]
    ) throws(JSONError) {
        self.version = version
        self.userAuthorities = userAuthorities
        self.hostAuthorities = hostAuthorities
        try Self.check(userAuthorities, "user_ca")
        try Self.check(hostAuthorities, "host_ca")
        let users = Set(userAuthorities.map(\.publicKey))
        guard users.isDisjoint(with: hostAuthorities.map(\.publicKey)) else {
            throw JSONError(location: "host_ca", reason: "a key is an authority for users and for hosts")
        }
    }

    /// Parses the file's bytes.
    public init(parsing bytes: [UInt8]) throws(JSONError) {
        try self.init(try JSONFields(try JSONValue.parse(bytes, limit: Self.byteLimit)))
    }

    /// Reads a document.
    public init(_ fields: JSONFields) throws(JSONError) {
        guard try fields.string("_type", limit: 64) == Self.typeName else {
            throw fields.error("_type", "is not \(Self.typeName)")
        }
        func authorities(_ key: String) throws(JSONError) -> [Authority] {
            try fields.objects(key, limit: Self.authorityLimit).map { entry throws(JSONError) in try Authority(entry) }
        }
        try self.init(
            version: try fields.integer("version", in: 1...Int64.max),
            userAuthorities: try authorities("user_ca"),
            hostAuthorities: try authorities("host_ca")
        )
    }

    /// The document.
    public var json: JSONValue {
        [
            "_type": .string(Self.typeName), "version": .integer(version),
            "user_ca": .array(userAuthorities.map(\.json)), "host_ca": .array(hostAuthorities.map(\.json)),
        ]
    }

    /// The bytes of the TUF target.
    public var bytes: [UInt8] { json.canonicalBytes }

    /// The authority whose key signs user certificates.
    public var signingUserAuthority: Authority? { userAuthorities.first { $0.phase == .signing } }

    /// The authority whose key signs host certificates.
    public var signingHostAuthority: Authority? { hostAuthorities.first { $0.phase == .signing } }

    private static let typeName = "ssh-trust"

    private static func check(_ authorities: [Authority], _ key: String) throws(JSONError) {
        guard authorities.count <= authorityLimit, Set(authorities.map(\.publicKey)).count == authorities.count else {
            throw JSONError(location: key, reason: "has more than \(authorityLimit) entries, or a key twice")
        }
        guard authorities.count(where: { $0.phase == .signing }) == 1 else {
            throw JSONError(location: key, reason: "does not have exactly one authority that signs")
        }
        guard authorities.allSatisfy({ $0.since < $0.expires }) else {
            throw JSONError(location: key, reason: "an authority expires before its phase begins")
        }
    }
}

extension [SSHTrust.Authority] {
    /// Those that are trusted at a moment.
    public func trusted(at time: UTCTime) -> [SSHTrust.Authority] { filter { time < $0.expires } }
}

extension SSHTrust.Authority {
    init(_ fields: JSONFields) throws(JSONError) {
        let line = try fields.string("public_key", limit: SSHPublicKey.lineLimit)
        do throws(SSHFormatError) {
            publicKey = try SSHPublicKey(line: line)
        } catch {
            throw fields.error("public_key", error.reason)
        }
        let name = try fields.string("phase", limit: 64)
        guard let phase = SSHTrust.Phase(rawValue: name) else {
            throw fields.error("phase", "is '\(name)', which this program does not know")
        }
        self.phase = phase
        since = try fields.time("since")
        expires = try fields.time("expires")
    }

    var json: JSONValue {
        [
            "public_key": .string(publicKey.line), "phase": .string(phase.rawValue), "since": JSONValue(since),
            "expires": JSONValue(expires),
        ]
    }
}
