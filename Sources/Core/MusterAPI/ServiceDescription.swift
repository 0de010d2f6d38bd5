import ByteCoding
import CanonicalJSON
import MusterModel

/// `GET /v1/service`: who the service is, and the keys it asks the fleet's owners to name in their root.
public struct ServiceDescription: Body {
    /// The service's Ed25519 public keys, 32 bytes each, by what they sign.
    public struct Keys: Hashable, Sendable {
        /// Signs `snapshot.json`.
        public let snapshot: [UInt8]
        /// Signs `timestamp.json`.
        public let timestamp: [UInt8]
        /// Signs update manifests.
        public let manifest: [UInt8]
        /// Signs `revocations.json`.
        public let revocations: [UInt8]
        /// Signs SSH user certificates; nil where the service has no such key.
        public let sshUserAuthority: [UInt8]?
        /// Signs SSH host certificates; nil where the service has no such key.
        public let sshHostAuthority: [UInt8]?

        /// The keys of one service.
        public init(
            snapshot: [UInt8],
            timestamp: [UInt8],
            manifest: [UInt8],
            revocations: [UInt8],
            sshUserAuthority: [UInt8]? = nil,
            sshHostAuthority: [UInt8]? = nil
        ) {
            self.snapshot = snapshot
            self.timestamp = timestamp
            self.manifest = manifest
            self.revocations = revocations
            self.sshUserAuthority = sshUserAuthority
            self.sshHostAuthority = sshHostAuthority
        }

        init(_ fields: JSONFields) throws(JSONError) {
            snapshot = try fields.hex("snapshot", count: 32)
            timestamp = try fields.hex("timestamp", count: 32)
            manifest = try fields.hex("manifest", count: 32)
            revocations = try fields.hex("revocations", count: 32)
            sshUserAuthority = try fields.optional("ssh_user_ca") { fields, key throws(JSONError) in
                try fields.hex(key, count: 32)
            }
            sshHostAuthority = try fields.optional("ssh_host_ca") { fields, key throws(JSONError) in
                try fields.hex(key, count: 32)
            }
        }

        /// The keys as an object of hexadecimal digits; the set-up token holds the SHA-256 of its canonical bytes.
        public var json: JSONValue {
            var object: JSONObject = [
                "snapshot": .string(Hex.encode(snapshot)), "timestamp": .string(Hex.encode(timestamp)),
                "manifest": .string(Hex.encode(manifest)), "revocations": .string(Hex.encode(revocations)),
            ]
            if let sshUserAuthority { object["ssh_user_ca"] = .string(Hex.encode(sshUserAuthority)) }
            if let sshHostAuthority { object["ssh_host_ca"] = .string(Hex.encode(sshHostAuthority)) }
            return .object(object)
        }
    }

    /// The service's own version.
    public let version: String
    /// The fleet, once it was made.
    public let fleet: FleetID?
    /// The service's public keys.
    public let keys: Keys
    /// The service's clock.
    public let time: UTCTime

    /// A description.
    public init(version: String, fleet: FleetID?, keys: Keys, time: UTCTime) {
        self.version = version
        self.fleet = fleet
        self.keys = keys
        self.time = time
    }

    /// Reads a description.
    public init(_ fields: JSONFields) throws(JSONError) {
        version = try fields.string("version", limit: 128)
        fleet = try fields.optional("fleet") { fields, key throws(JSONError) in try fields.name(key) }
        keys = try Keys(try fields.fields("keys"))
        time = try fields.milliseconds("time")
    }

    /// The description as it is sent.
    public var json: JSONValue {
        [
            "version": .string(version), "fleet": JSONValue(fleet?.text), "keys": keys.json,
            "time": .integer(time.milliseconds),
        ]
    }
}
