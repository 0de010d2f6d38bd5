import ByteCoding
import CanonicalJSON
import MusterModel

/// `POST /v1/node/report`: what a node says of itself.
public struct NodeReport: Body {
    /// A socket that something on the node listens on; only sent where the node opts in.
    public struct Listener: Hashable, Sendable {
        /// `tcp` or `udp`.
        public let transport: String
        /// The address it is bound to.
        public let address: String
        /// The port.
        public let port: Int

        /// A listening socket.
        public init(transport: String, address: String, port: Int) {
            self.transport = transport
            self.address = address
            self.port = port
        }
    }

    /// The agent's version.
    public var agentVersion: String
    /// `PRETTY_NAME` of os-release.
    public var osRelease: String
    /// The kernel's release, as `uname -r` prints it.
    public var kernel: String
    /// The package manager's architecture, such as `amd64`.
    public var architecture: String
    /// The id of this boot.
    public var bootID: String
    /// Seconds since the node booted.
    public var uptimeSeconds: Int64
    /// Installed versions of the managed packages by name; at most 4096.
    public var packages: [String: String]
    /// What listens; empty unless the node opts in.
    public var listeners: [Listener]
    /// How far the node is with each rollout that it knows of; at most 256.
    public var progress: [NodeProgress]
    /// The version of the TUF timestamp that the node trusts; 0 before the first.
    public var timestampVersion: Int64
    /// The version of the policy that the node trusts; 0 before the first.
    public var policyVersion: Int64
    /// The sequence of the last manifest that the node accepted.
    public var sequence: Int64
    /// Why the node does nothing at the moment (it cannot verify, its disk is full, …); empty while all is well.
    public var hold: String
    /// What its sshd does and who logged in by certificate; nil where the node has no SSH side.
    public var ssh: SSHReport?
    /// What the node's own probes measured, in thousandths, by name; at most 32.
    public var metrics: [String: Int64] = [:]
    /// Why the node should be rebooted, in words; empty where nothing asks for it.
    public var rebootNeeded = ""
    /// Whether its owner lets it reach other nodes that confirm an upgrade.
    public var reachesOthers = false
    /// Packages that the node's own configuration leaves as they are, each with the reason; at most 256.
    public var localPins: [String: String] = [:]

    /// A report.
    public init(
        agentVersion: String,
        osRelease: String,
        kernel: String,
        architecture: String,
        bootID: String,
        uptimeSeconds: Int64,
        packages: [String: String],
        listeners: [Listener] = [],
        progress: [NodeProgress] = [],
        timestampVersion: Int64 = 0,
        policyVersion: Int64 = 0,
        sequence: Int64 = 0,
        hold: String = "",
        ssh: SSHReport? = nil
    ) {
        self.agentVersion = agentVersion
        self.osRelease = osRelease
        self.kernel = kernel
        self.architecture = architecture
        self.bootID = bootID
        self.uptimeSeconds = uptimeSeconds
        self.packages = packages
        self.listeners = listeners
        self.progress = progress
        self.timestampVersion = timestampVersion
        self.policyVersion = policyVersion
        self.sequence = sequence
        self.hold = hold
        self.ssh = ssh
    }

    /// Reads a report; all but the agent's version may be missing.
    public init(_ fields: JSONFields) throws(JSONError) {
        func text(_ key: String, _ limit: Int) throws(JSONError) -> String {
            fields.has(key) ? try fields.string(key, limit: limit) : ""
        }
        func number(_ key: String) throws(JSONError) -> Int64 { fields.has(key) ? try fields.integer(key) : 0 }
        agentVersion = try fields.string("agent_version", limit: 128)
        osRelease = try text("os_release", 256)
        kernel = try text("kernel", 256)
        architecture = try text("architecture", 64)
        bootID = try text("boot_id", 64)
        uptimeSeconds = try number("uptime_seconds")
        hold = try text("hold", 2048)
        timestampVersion = try number("timestamp_version")
        policyVersion = try number("policy_version")
        sequence = try number("sequence")
        packages = [:]
        if fields.has("packages") {
            let object = try fields.fields("packages")
            guard object.object.count <= 4096 else { throw fields.error("packages", "has more than 4096 entries") }
            for member in object.object.members {
                guard member.key.utf8.count <= 256 else { throw fields.error("packages", "a name is too long") }
                guard case .string(let version) = member.value, version.utf8.count <= 256 else {
                    throw object.error(member.key, "is not a string of at most 256 bytes")
                }
                packages[member.key] = version
            }
        }
        listeners = []
        if fields.has("listeners") {
            for listener in try fields.objects("listeners", limit: 1024) {
                listeners.append(
                    Listener(
                        transport: try listener.string("transport", limit: 16),
                        address: try listener.string("address", limit: 64),
                        port: Int(try listener.integer("port", in: 0...65535))
                    )
                )
            }
        }
        progress = []
        if fields.has("progress") {
            for step in try fields.objects("progress", limit: 256) { progress.append(try NodeProgress(step)) }
        }
        ssh = try fields.optional("ssh") { fields, key throws(JSONError) in try SSHReport(try fields.fields(key)) }
        metrics = try Self.metrics(fields)
        rebootNeeded = try text("reboot_needed", 1024)
        reachesOthers = fields.has("reaches_others") ? try fields.bool("reaches_others") : false
        localPins = try Self.localPins(fields)
    }

    /// The report as it is sent.
    public var json: JSONValue {
        var object: JSONObject = [
            "agent_version": .string(agentVersion), "os_release": .string(osRelease), "kernel": .string(kernel),
            "architecture": .string(architecture), "boot_id": .string(bootID),
            "uptime_seconds": .integer(uptimeSeconds),
            "packages": .object(JSONObject(packages.map { ($0.key, .string($0.value)) })),
            "listeners": .array(
                listeners.map {
                    [
                        "transport": .string($0.transport), "address": .string($0.address),
                        "port": JSONValue($0.port),
                    ]
                }
            ),
            "progress": .array(progress.map(\.json)), "timestamp_version": .integer(timestampVersion),
            "policy_version": .integer(policyVersion), "sequence": .integer(sequence), "hold": .string(hold),
        ]
        if let ssh { object["ssh"] = ssh.json }
        if !metrics.isEmpty { object["metrics"] = .object(JSONObject(metrics.map { ($0.key, .integer($0.value)) })) }
        if !rebootNeeded.isEmpty { object["reboot_needed"] = .string(rebootNeeded) }
        if reachesOthers { object["reaches_others"] = true }
        if !localPins.isEmpty {
            object["local_pins"] = .object(JSONObject(localPins.map { ($0.key, .string($0.value)) }))
        }
        return .object(object)
    }

    /// Most metrics of a report.
    public static let metricLimit = 32
    /// Most packages that a node's own configuration may pin.
    public static let localPinLimit = 256

    private static func metrics(_ fields: JSONFields) throws(JSONError) -> [String: Int64] {
        guard fields.has("metrics") else { return [:] }
        let object = try fields.fields("metrics")
        guard object.object.count <= metricLimit else {
            throw fields.error("metrics", "has more than \(metricLimit) entries")
        }
        var metrics: [String: Int64] = [:]
        for member in object.object.members {
            guard member.key.utf8.count <= 64 else { throw fields.error("metrics", "a name is too long") }
            metrics[member.key] = try object.integer(member.key, in: Int64.min...Int64.max)
        }
        return metrics
    }

    private static func localPins(_ fields: JSONFields) throws(JSONError) -> [String: String] {
        guard fields.has("local_pins") else { return [:] }
        let object = try fields.fields("local_pins")
        guard object.object.count <= localPinLimit else {
            throw fields.error("local_pins", "has more than \(localPinLimit) entries")
        }
        var pins: [String: String] = [:]
        for member in object.object.members {
            guard member.key.utf8.count <= 256 else { throw fields.error("local_pins", "a name is too long") }
            pins[member.key] = try object.string(member.key, limit: 1024)
        }
        return pins
    }
}

/// The answer to a report, sent only after the report is on disk.
public struct ReportReply: Body {
    /// Seconds after which the service would like the next report.
    public let nextSeconds: Int
    /// The service's clock, for the node's log only: a node never sets anything by it.
    public let time: UTCTime
    /// What the node should know of its key; nil from a service that lets keys live for ever.
    public let key: NodeKeyNotice?

    /// An answer.
    public init(nextSeconds: Int, time: UTCTime, key: NodeKeyNotice? = nil) {
        self.nextSeconds = nextSeconds
        self.time = time
        self.key = key
    }

    /// Reads an answer.
    public init(_ fields: JSONFields) throws(JSONError) {
        nextSeconds = Int(try fields.integer("next_seconds", in: 1...86400))
        time = try fields.milliseconds("time")
        key = try fields.optional("key") { fields, key throws(JSONError) in try NodeKeyNotice(try fields.fields(key)) }
    }

    /// The answer as it is sent.
    public var json: JSONValue {
        var object: JSONObject = ["next_seconds": JSONValue(nextSeconds), "time": .integer(time.milliseconds)]
        if let key { object["key"] = key.json }
        return .object(object)
    }
}
