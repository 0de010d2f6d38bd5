import CanonicalJSON
import MusterSystem
import PackageInstaller

/// How the agent upgrades itself, as the node's owner decides.
///
/// ```
/// {"package": "muster-agent", "restart": ["systemctl", "restart", "muster-agent"], "watch_seconds": 300,
///  "steady_seconds": 15}
/// ```
public struct SelfUpgradeOptions: Hashable, Sendable {
    /// The package that the agent itself comes from.
    public var package = "muster-agent"
    /// The command that ends the agent and starts it as it is on the disk then; nil says `systemctl` where systemd runs.
    public var restart: [String]?
    /// Seconds from its restart within which a new agent must have proved itself, or the one before is put back.
    public var watchSeconds: Int64 = 300
    /// Seconds that a new agent must live between its first report and the one that counts.
    public var steadySeconds: Int64 = 15

    /// Those of an owner who decided nothing.
    public init() {}

    init(_ fields: JSONFields) throws(JSONError) {
        if fields.has("package") { package = try fields.string("package", limit: 256) }
        if fields.has("restart") {
            let words = try fields.strings("restart", limit: 32)
            guard !words.isEmpty else { throw fields.error("restart", "is an empty command") }
            restart = words
        }
        if fields.has("watch_seconds") {
            watchSeconds = try fields.integer("watch_seconds", in: 10...WatchPlan.secondsLimit)
        }
        if fields.has("steady_seconds") { steadySeconds = try fields.integer("steady_seconds", in: 0...3600) }
        guard steadySeconds < watchSeconds else {
            throw fields.error("steady_seconds", "must be less than watch_seconds, which is \(watchSeconds)")
        }
    }

    /// The command that restarts the agent on this machine; nil where none is known.
    var restartCommand: [String]? {
        if let restart { return restart }
        guard Systemd.isRunning else { return nil }
        let unit = "muster-agent.service"
        // A version that ended again and again may have used up its starts; the one that follows begins anew.
        let words = "systemctl daemon-reload; systemctl reset-failed \(unit); exec systemctl restart \(unit)"
        return ["/bin/sh", "-c", words]
    }
}
