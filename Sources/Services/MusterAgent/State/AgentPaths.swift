import MusterModel
import MusterSystem

/// The files of a node, all below one folder that is nobody else's.
public struct AgentPaths: Sendable {
    /// The folder, `/var/lib/muster-agent` unless told.
    public let folder: String

    /// Where it is unless told.
    public static let usual = "/var/lib/muster-agent"

    /// The files below `folder`.
    public init(_ folder: String) {
        self.folder = folder
    }

    /// The node's key: secret.
    public var key: String { folder + "/node.key" }
    /// The key that is to follow, while a rotation goes on: secret.
    public var nextKey: String { key + ".next" }
    /// How the node's keys followed one another, as they signed it: public.
    public var successions: String { folder + "/successions.json" }
    /// The fleet, the service and the node's id.
    public var enrollment: String { folder + "/enrollment.json" }
    /// Trusted TUF metadata.
    public var metadata: String { folder + "/tuf" }
    /// The fleet's first root, whose SHA-256 is the fleet's id: where trust starts again if the metadata are damaged.
    public var firstRoot: String { folder + "/1.root.json" }
    /// The upgrade that is going on.
    public var journal: String { folder + "/journal.json" }
    /// Ids of statements that were obeyed, until they expire.
    public var executed: String { folder + "/executed.json" }
    /// Sequence, tags, assignments not begun, what muster installed, how upgrades ended.
    public var memory: String { folder + "/memory.json" }
    /// Packages on their way.
    public var downloads: String { folder + "/downloads" }
    /// Packages to go back to.
    public var saved: String { folder + "/saved" }
    /// Room on the disk for the way back, while an upgrade goes on.
    public var reserve: String { folder + "/reserve" }
    /// Approved commands that were asked for, a folder each: see `RunFolder`.
    public var runs: String { folder + "/runs" }
    /// An upgrade of the agent itself: see `WatchFolder`.
    public var watcher: WatchFolder { WatchFolder(folder + "/watcher") }
    /// Held by the one agent that uses the folder.
    public var lock: String { folder + "/lock" }

    /// Creates the folders, for nobody but us.
    public func create() throws(SystemError) {
        for path in [folder, downloads, saved, runs] { try Directory.create(path, mode: 0o700) }
    }

    /// The file of a package that is being fetched.
    func partial(_ release: InstalledRelease) -> String { downloads + "/" + release.fileName + ".part" }

    /// The file of a package that was fetched whole.
    func downloaded(_ release: InstalledRelease) -> String { downloads + "/" + release.fileName }

    /// The file of a package to go back to.
    func saved(_ release: InstalledRelease) -> String { saved + "/" + release.fileName }
}
