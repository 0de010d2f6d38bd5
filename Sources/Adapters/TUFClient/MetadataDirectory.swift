import MusterSystem

/// The folder of trusted metadata: `root.json`, `timestamp.json`, `snapshot.json`, `targets.json` and, for each delegated
/// role, its percent-encoded name with `.json`.
///
/// Files hold the bytes as they were received, are replaced whole, and are verified again each time they are read.
public struct MetadataDirectory: Sendable {
    /// The folder.
    public let path: String

    /// A folder, which is created when something is written.
    public init(_ path: String) {
        self.path = path
    }

    /// The stored metadata of a role; nil where there is none, or none that can be read.
    public func read(_ role: String, limit: Int = 5_000_000) -> [UInt8]? {
        (try? BoundedFile.readIfPresent(file(role), limit: limit)) ?? nil
    }

    /// Stores the metadata of a role.
    public func write(_ bytes: [UInt8], _ role: String) throws(TUFClientError) {
        try storing { () throws(SystemError) in
            try Directory.create(path, mode: 0o755)
            try AtomicFile.write(bytes, to: file(role), mode: 0o644)
        }
    }

    /// Removes the metadata of a role.
    public func remove(_ role: String) throws(TUFClientError) {
        try storing { () throws(SystemError) in try AtomicFile.remove(file(role)) }
    }

    private func file(_ role: String) -> String {
        path + "/" + LocalFileName.of(role) + ".json"
    }
}
