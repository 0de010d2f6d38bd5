import CanonicalJSON
import MusterAPI
import MusterModel
import MusterSystem

/// What the owner of a node decides: an optional file, `/etc/muster-agent.json` unless told.
///
/// ```
/// {"root": "/", "report_seconds": 60, "confirm_seconds": 120, "report_listeners": false,
///  "health": [{"tcp": {"host": "127.0.0.1", "port": 80}}, {"unit": "nginx.service"}],
///  "second_node": {"seconds": 60}, "reach_others": false, "pins": {"postgresql-15": "the migration is in May"},
///  "metrics": [{"name": "errors-per-second", "command": ["/usr/local/bin/error-rate"]}],
///  "self_upgrade": {"watch_seconds": 300}}
/// ```
public struct AgentConfiguration: Hashable, Sendable {
    /// Where it is unless told.
    public static let usual = "/etc/muster-agent.json"

    /// Root of the package manager's database and files; `/` is the machine's own.
    public var root = "/"
    /// Seconds between reports while nothing happens.
    public var reportSeconds = 60
    /// Seconds within which the service must be reached after an upgrade, or the previous version is put back.
    public var confirmSeconds = 120
    /// Whether reports say which TCP ports listen.
    public var reportsListeners = false
    /// Checks that every new version has to pass on this node, besides those of its release.
    public var checks: [HealthCheck] = []
    /// Seconds within which a second node must have reached this one after an upgrade; nil where none need.
    public var secondNodeSeconds: Int?
    /// Whether this node visits others that ask for a second node.
    public var reachesOthers = false
    /// Packages that stay as they are on this node, whoever asks, each with the reason.
    public var pins: [String: String] = [:]
    /// What is measured on this node and reported.
    public var metrics: [NodeMetric] = []
    /// How the agent looks after sshd.
    public var ssh = SSHOptions()
    /// How the agent upgrades itself.
    public var upgrade = SelfUpgradeOptions()

    /// The configuration of a node whose owner decided nothing.
    public init() {}

    init(_ fields: JSONFields) throws(JSONError) {
        if fields.has("root") { root = try fields.string("root") }
        guard root.hasPrefix("/") else { throw fields.error("root", "is not an absolute path") }
        if fields.has("report_seconds") { reportSeconds = Int(try fields.integer("report_seconds", in: 1...86400)) }
        if fields.has("confirm_seconds") { confirmSeconds = Int(try fields.integer("confirm_seconds", in: 5...3600)) }
        if fields.has("report_listeners") { reportsListeners = try fields.bool("report_listeners") }
        if fields.has("health") {
            for entry in try fields.objects("health", limit: 16) {
                let check = try HealthCheck(entry)
                if case .unknown(let members) = check.probe {
                    throw fields.error("health", "'\(HealthCheck.kind(of: members))' is no kind of check")
                }
                checks.append(check)
            }
        }
        if fields.has("self_upgrade") { upgrade = try SelfUpgradeOptions(try fields.fields("self_upgrade")) }
        if fields.has("second_node") {
            secondNodeSeconds = Int(try fields.fields("second_node").integer("seconds", in: 5...3600))
        }
        if fields.has("reach_others") { reachesOthers = try fields.bool("reach_others") }
        if fields.has("pins") {
            let list = try fields.fields("pins")
            guard list.object.count <= NodeReport.localPinLimit else {
                throw fields.error("pins", "has more than \(NodeReport.localPinLimit) entries")
            }
            for package in list.object.members.map(\.key) {
                pins[package] = try list.string(package, limit: 1024)
            }
        }
        if fields.has("metrics") {
            for metric in try fields.objects("metrics", limit: NodeReport.metricLimit) {
                metrics.append(try NodeMetric(metric))
            }
        }
        if fields.has("ssh") { ssh = try SSHOptions(try fields.fields("ssh")) }
    }

    /// Whether the agent looks after sshd: as the owner says, else where it has the whole machine.
    public var managesSSH: Bool { ssh.isOn ?? (root == "/") }

    /// Reads the file; the defaults where there is none.
    public static func load(_ path: String) throws(SystemError) -> AgentConfiguration {
        try StateFile.load(path, limit: 262_144) { fields throws(JSONError) in try AgentConfiguration(fields) }
            ?? AgentConfiguration()
    }
}
