import ByteCoding
import CanonicalJSON
import MusterModel
import MusterSystem

/// The folder of one person for one fleet: `$MUSTER_CONFIG_DIR`, or `~/.config/muster`.
///
/// ```
/// fleet.json      which fleet, and where its service is
/// operator.json   who I am, and the public key that I sign statements with
/// keys/*.key      sealed root, release and policy keys, as far as they are mine
/// tuf/            trusted metadata; pinned-root.json is the first root, whose SHA-256 is the fleet id
/// staged/         metadata that waits for more signatures, and the package files that it names
/// session         the cached login (0600)
/// node-keys.json  the node keys that secrets of runs were sealed to
/// known-nodes.json  which node a name means; known-nodes.lock is held by whoever changes it
/// ```
public struct ConfigurationFolder: Sendable, Hashable {
    /// The folder.
    public let path: String

    /// The folder at `path`.
    public init(path: String) {
        self.path = path
    }

    /// The folder that the environment names.
    public init(environment: [String: String]) throws {
        if let path = environment["MUSTER_CONFIG_DIR"], !path.isEmpty {
            self.path = path
        } else if let home = environment["HOME"], !home.isEmpty {
            self.path = home + "/.config/muster"
        } else {
            throw CommandFailure.usage("neither MUSTER_CONFIG_DIR nor HOME is set: where is the configuration?")
        }
    }

    var fleetFile: String { path + "/fleet.json" }
    var operatorFile: String { path + "/operator.json" }
    var policyFile: String { path + "/fleet-policy.yaml" }
    var sessionFile: String { path + "/session" }
    var nodeKeysFile: String { path + "/node-keys.json" }
    var knownNodesFile: String { path + "/known-nodes.json" }
    var knownNodesLockFile: String { path + "/known-nodes.lock" }
    var keys: String { path + "/keys" }
    var tuf: String { path + "/tuf" }
    var pinnedRootFile: String { tuf + "/pinned-root.json" }
    var staged: String { path + "/staged" }
    var stagedFiles: String { path + "/staged/files" }

    /// Which fleet this is; a failure that says what to do where there is none yet.
    func fleet() throws -> FleetConfiguration {
        guard let bytes = try BoundedFile.readIfPresent(fleetFile, limit: 65536) else {
            throw CommandFailure.usage(
                "no fleet is configured in \(path): make one with 'muster fleet init' or join one with 'muster fleet join'"
            )
        }
        return try FleetConfiguration(JSONFields(JSONValue.parse(bytes, limit: 65536)))
    }

    /// Who I am; a failure that says what to do where nothing says so.
    func operatorIdentity() throws -> OperatorConfiguration {
        guard let bytes = try BoundedFile.readIfPresent(operatorFile, limit: 65536) else {
            throw CommandFailure.usage(
                "no operator is configured in \(path): use 'muster fleet join --operator NAME --operator-key FILE.pub'"
            )
        }
        return try OperatorConfiguration(JSONFields(JSONValue.parse(bytes, limit: 65536)))
    }

    func write(_ value: JSONValue, to file: String) throws {
        try AtomicFile.write(Array(value.prettyText.utf8), to: file)
    }
}

/// `fleet.json`: which fleet, and where its service is.
struct FleetConfiguration: Sendable, Hashable {
    let service: String
    let fleet: FleetID
    /// A PEM file of certificate authorities to believe; nil for the system's.
    let authorities: String?

    init(service: String, fleet: FleetID, authorities: String?) {
        self.service = service
        self.fleet = fleet
        self.authorities = authorities
    }

    init(_ fields: JSONFields) throws(JSONError) {
        service = try fields.string("service", limit: 2048)
        fleet = try fields.name("fleet")
        authorities = try fields.optional("ca_file") { fields, key throws(JSONError) in try fields.string(key) }
    }

    var json: JSONValue {
        var object: JSONObject = ["service": .string(service), "fleet": JSONValue(fleet)]
        object["ca_file"] = authorities.map { .string($0) }
        return .object(object)
    }
}

/// `operator.json`: who I am, and the public key file that I sign statements with.
struct OperatorConfiguration: Sendable, Hashable {
    let name: OperatorName
    /// The file of the public key; the private one is beside it, or in an ssh-agent, or on a security key.
    let publicKeyFile: String

    init(name: OperatorName, publicKeyFile: String) {
        self.name = name
        self.publicKeyFile = publicKeyFile
    }

    init(_ fields: JSONFields) throws(JSONError) {
        name = try fields.name("name")
        publicKeyFile = try fields.string("public_key_file")
    }

    var json: JSONValue { ["name": JSONValue(name), "public_key_file": .string(publicKeyFile)] }
}
