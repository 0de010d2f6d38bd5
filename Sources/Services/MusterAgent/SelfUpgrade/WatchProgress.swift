import CanonicalJSON

/// How far a watcher is, `progress.json`: the watcher's alone, for the one that comes after it and for the agents.
///
/// ```
/// prepared -> installing -> restarting -> waiting -> ended        (the new agent said yes)
///     |            |            |            |
///     v            v            v            v
///     putting-back -> returning -> ended                          (the verdict is no)
/// ```
/// Each phase can be begun again. Where the disk is full the file may be older than the truth: then a phase is done twice.
public struct WatchProgress: Hashable, Sendable {
    /// What the watcher is at.
    public enum Phase: String, Sendable, CaseIterable {
        /// Nothing was done.
        case prepared
        /// The package manager may be at work on the new version.
        case installing
        /// The new version is installed; the agent is being restarted.
        case restarting
        /// The new agent has to prove itself.
        case waiting
        /// The version before is being put back.
        case puttingBack = "putting-back"
        /// It is back; the agent is being restarted.
        case returning
        /// Nothing is left to do.
        case ended

        /// Whether it goes towards the new version.
        var isForward: Bool { [.prepared, .installing, .restarting, .waiting].contains(self) }
    }

    /// What the watcher is at.
    public var phase = Phase.prepared
    /// How often the installation was begun.
    public var begun = 0
    /// Whether the package manager was started and not seen to end.
    public var isBusy = false
    /// Whether anything but the version before was ever on the disk.
    public var hasChanged = false
    /// Whether a restart was ordered.
    public var hasRestarted = false
    /// How often the new agent was given its whole time: once, and once more for each boot meanwhile.
    public var waits = 0
    /// The boot in which the agent was restarted last, and when, in milliseconds of the clock that only goes forward.
    public var boot = ""
    /// When.
    public var since: Int64 = 0

    /// Nothing done.
    public init() {}

    init(_ fields: JSONFields) throws(JSONError) {
        let name = try fields.string("phase", limit: 32)
        guard let phase = Phase(rawValue: name) else { throw fields.error("phase", "unknown phase '\(name)'") }
        self.phase = phase
        begun = Int(try fields.integer("begun", in: 0...1_000_000))
        isBusy = try fields.bool("busy")
        hasChanged = try fields.bool("changed")
        hasRestarted = try fields.bool("restarted")
        waits = Int(try fields.integer("waits", in: 0...1_000_000))
        boot = try fields.string("boot", limit: 64)
        since = try fields.integer("since")
    }

    var json: JSONValue {
        [
            "phase": .string(phase.rawValue), "begun": .integer(Int64(begun)), "busy": .bool(isBusy),
            "changed": .bool(hasChanged), "restarted": .bool(hasRestarted), "waits": .integer(Int64(waits)),
            "boot": .string(boot), "since": .integer(since),
        ]
    }
}
