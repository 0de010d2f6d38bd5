import CanonicalJSON
import MusterModel

/// What a watcher has to do, `plan.json`: written by the agent that is to be replaced, and never changed.
///
/// ```
/// {"rollout": "…", "release": {…}, "file": {path, length, sha256, version, counter}, "previous": {…},
///  "root": "/", "restart": ["systemctl", "restart", "muster-agent.service"], "seconds": 300}
/// ```
/// Whoever has the plan may carry it out: everything in it was judged before, and its statement is used up.
public struct WatchPlan: Hashable, Sendable {
    /// Most bytes of the file.
    static let byteLimit = 262_144
    /// Most seconds that a new agent is given.
    static let secondsLimit: Int64 = 86400

    /// The rollout whose journal this belongs to.
    public let rollout: RolloutID
    /// The new version.
    public let release: ReleaseDescription
    /// Its file, among the downloads.
    public let file: InstalledRelease
    /// The version before, its file among the saved ones.
    public let previous: InstalledRelease
    /// Root of the package manager's database and files.
    public let root: String
    /// The command that restarts the agent.
    public let restart: [String]
    /// Seconds from its restart within which the new agent must have proved itself.
    public let seconds: Int64

    /// A plan.
    public init(
        rollout: RolloutID,
        release: ReleaseDescription,
        file: InstalledRelease,
        previous: InstalledRelease,
        root: String,
        restart: [String],
        seconds: Int64
    ) {
        self.rollout = rollout
        self.release = release
        self.file = file
        self.previous = previous
        self.root = root
        self.restart = restart
        self.seconds = seconds
    }

    init(_ fields: JSONFields) throws(JSONError) {
        rollout = try fields.name("rollout")
        release = try ReleaseDescription(try fields.fields("release"))
        file = try InstalledRelease(try fields.fields("file"))
        previous = try InstalledRelease(try fields.fields("previous"))
        root = try fields.string("root")
        restart = try fields.strings("restart", limit: 32)
        seconds = try fields.integer("seconds", in: 1...Self.secondsLimit)
    }

    var json: JSONValue {
        [
            "rollout": .string(rollout.text), "release": release.json, "file": file.json, "previous": previous.json,
            "root": .string(root), "restart": .array(restart.map { .string($0) }), "seconds": .integer(seconds),
        ]
    }
}
