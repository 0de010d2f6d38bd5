/// What the service manager says of one unit.
public struct UnitState: Hashable, Sendable {
    /// The service manager's word: `active`, `inactive`, `failed` and others.
    public let active: String
    /// The id of this start of the unit, and what was started when: any of them changes with a restart.
    public let start: [String]
    /// Whether the unit's file is newer than what the service manager has read.
    public let isOutdated: Bool

    /// A state of these parts.
    public init(active: String, start: [String], isOutdated: Bool = false) {
        self.active = active
        self.start = start
        self.isOutdated = isOutdated
    }

    /// Whether someone wants it to run: a unit that was stopped stays stopped.
    public var isWanted: Bool { !["inactive", "deactivating"].contains(active) }
}

/// A service manager, as far as upgrades need one.
public protocol UnitControlling: Sendable {
    /// The state of a unit; nil where there is no such unit, or no service manager.
    func state(of unit: String) async throws(PackageError) -> UnitState?

    /// Restarts a unit, and waits until it has started.
    func restart(_ unit: String) async throws(PackageError)

    /// Reads the files of all units again.
    func reload() async throws(PackageError)
}
