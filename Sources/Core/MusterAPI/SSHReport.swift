import ByteCoding
import CanonicalJSON

/// The member `ssh` of a node's report: what its sshd is proved to do, and who logged in by certificate.
///
/// Absent where the fleet has no SSH side, or the node's owner keeps it off. All members are optional for readers.
public struct SSHReport: Hashable, Sendable {
    /// A host certificate that sshd shows.
    public struct HostCertificate: Hashable, Sendable {
        /// `SHA256:…` of the host key that it is about.
        public let fingerprint: String
        /// Its serial.
        public let serial: Int64
        /// When it stops being good.
        public let validBefore: UTCTime

        /// A host certificate.
        public init(fingerprint: String, serial: Int64, validBefore: UTCTime) {
            self.fingerprint = fingerprint
            self.serial = serial
            self.validBefore = validBefore
        }
    }

    /// A login by certificate, as sshd's log tells it.
    public struct Login: Hashable, Sendable {
        /// The certificate's serial; 0 where the log does not say, which no issued certificate has.
        public let serial: Int64
        /// The certificate's key ID, perhaps cut.
        public let keyID: String
        /// The account.
        public let user: String
        /// Where the login came from.
        public let address: String
        /// When.
        public let time: UTCTime

        /// A login.
        public init(serial: Int64, keyID: String, user: String, address: String, time: UTCTime) {
            self.serial = serial
            self.keyID = keyID
            self.user = user
            self.address = address
            self.time = time
        }
    }

    /// Most logins in one report; those behind come with the next.
    public static let loginLimit = 256

    /// The version that `ssh -V` names, such as `OpenSSH_9.2p1 Debian-2+deb12u10`; empty where there is no sshd.
    public var sshdVersion: String
    /// The version of the KRL that sshd reads; nil where sshd is not proved to read the fleet's.
    public var krlVersion: Int64?
    /// `SHA256:…` of each user CA that sshd is proved to trust, checked by `sshd -T`.
    public var userAuthorities: [String]
    /// The host certificates that sshd shows.
    public var hostCertificates: [HostCertificate]
    /// The public keys that sshd shows, one line each.
    public var hostKeys: [String]
    /// Logins by certificate since the last report that the service has; one may come twice.
    public var logins: [Login]
    /// What keeps sshd from being as it should be; empty while all is well.
    public var problem: String

    /// What a node says of its sshd.
    public init(
        sshdVersion: String = "",
        krlVersion: Int64? = nil,
        userAuthorities: [String] = [],
        hostCertificates: [HostCertificate] = [],
        hostKeys: [String] = [],
        logins: [Login] = [],
        problem: String = ""
    ) {
        self.sshdVersion = sshdVersion
        self.krlVersion = krlVersion
        self.userAuthorities = userAuthorities
        self.hostCertificates = hostCertificates
        self.hostKeys = hostKeys
        self.logins = logins
        self.problem = problem
    }

    /// Reads the member; everything may be missing.
    public init(_ fields: JSONFields) throws(JSONError) {
        self.init()
        func objects(_ key: String, _ limit: Int) throws(JSONError) -> [JSONFields] {
            fields.has(key) ? try fields.objects(key, limit: limit) : []
        }
        func strings(_ key: String, _ limit: Int, _ each: Int) throws(JSONError) -> [String] {
            fields.has(key) ? try fields.strings(key, limit: limit, each: each) : []
        }
        if fields.has("sshd_version") { sshdVersion = try fields.string("sshd_version", limit: 256) }
        if fields.has("krl_version") { krlVersion = try fields.integer("krl_version") }
        if fields.has("problem") { problem = try fields.string("problem", limit: 2048) }
        userAuthorities = try strings("user_authorities", 64, 128)
        hostKeys = try strings("host_keys", 16, 4096)
        hostCertificates = try objects("host_certificates", 16).map { entry throws(JSONError) in
            try HostCertificate(entry)
        }
        // One that makes no sense must not cost the report: whoever can write to sshd's log could silence the node.
        logins = try objects("logins", Self.loginLimit).compactMap { try? Login($0) }
    }

    /// The member as it is sent.
    public var json: JSONValue {
        [
            "sshd_version": .string(sshdVersion), "krl_version": krlVersion.map { .integer($0) } ?? .null,
            "user_authorities": .array(userAuthorities.map { .string($0) }),
            "host_certificates": .array(hostCertificates.map(\.json)),
            "host_keys": .array(hostKeys.map { .string($0) }), "logins": .array(logins.map(\.json)),
            "problem": .string(problem),
        ]
    }
}

extension SSHReport.HostCertificate {
    init(_ fields: JSONFields) throws(JSONError) {
        self.init(
            fingerprint: try fields.string("fingerprint", limit: 128),
            serial: try fields.integer("serial"),
            validBefore: try fields.time("valid_before")
        )
    }

    var json: JSONValue {
        [
            "fingerprint": .string(fingerprint), "serial": .integer(serial),
            "valid_before": .string(validBefore.description),
        ]
    }
}

extension SSHReport.Login {
    /// Reads a login, as a report or a node's own file holds it.
    ///
    /// Long texts are cut, not refused: an agent of before this rule wrote three bytes for each that was no text.
    public init(_ fields: JSONFields) throws(JSONError) {
        self.init(
            serial: try fields.integer("serial"),
            keyID: try fields.string("key_id", limit: 4096).bounded(1024),
            user: try fields.string("user", limit: 4096).bounded(256),
            address: try fields.string("address", limit: 4096).bounded(256),
            time: try fields.milliseconds("time")
        )
    }

    /// The login as it is sent.
    public var json: JSONValue {
        [
            "serial": .integer(serial), "key_id": .string(keyID), "user": .string(user), "address": .string(address),
            "time": .integer(time.milliseconds),
        ]
    }
}
