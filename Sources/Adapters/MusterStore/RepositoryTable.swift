import ByteCoding

/// A target file that the repository holds.
public struct StoredFile: Hashable, Sendable {
    /// Its SHA-256 in hexadecimal digits, which is also its name on disk.
    public let sha256: String
    /// Its length in bytes.
    public let length: Int64
    /// The target path it was uploaded for.
    public let path: String
    /// When it was uploaded.
    public let stored: UTCTime

    /// A file.
    public init(sha256: String, length: Int64, path: String, stored: UTCTime) {
        self.sha256 = sha256
        self.length = length
        self.path = path
        self.stored = stored
    }
}

/// The TUF repository: every metadata file ever trusted, and which target files are on disk.
extension StoreTransaction {
    /// Adds a metadata file; a version is never overwritten.
    public func addMetadata(role: String, version: Int64, bytes: [UInt8], at time: UTCTime) throws {
        try sql.run(
            "INSERT INTO metadata (role, version, bytes, stored) VALUES ($1, $2, $3, $4)",
            [.text(role), .integer(version), .bytes(bytes), .integer(time.milliseconds)]
        )
    }

    /// One version of a role's metadata.
    public func metadata(role: String, version: Int64) throws -> [UInt8]? {
        try sql.row(
            "SELECT bytes FROM metadata WHERE role = $1 AND version = $2",
            [.text(role), .integer(version)]
        )?.bytes(0)
    }

    /// The newest version of a role's metadata.
    public func newestMetadata(role: String) throws -> (version: Int64, bytes: [UInt8])? {
        try sql.row("SELECT version, bytes FROM metadata WHERE role = $1 ORDER BY version DESC LIMIT 1", [.text(role)])
            .map { (try $0.integer(0), try $0.bytes(1)) }
    }

    /// When the newest version of a role's metadata was stored.
    public func newestMetadataMoment(role: String) throws -> UTCTime? {
        try sql.row("SELECT stored FROM metadata WHERE role = $1 ORDER BY version DESC LIMIT 1", [.text(role)])
            .map { UTCTime(milliseconds: try $0.integer(0)) }
    }

    /// Every version of a role's metadata, oldest first.
    public func allMetadata(role: String) throws -> [[UInt8]] {
        try sql.rows("SELECT bytes FROM metadata WHERE role = $1 ORDER BY version", [.text(role)]).map {
            try $0.bytes(0)
        }
    }

    /// Forgets versions of a role's metadata below `version`.
    public func removeMetadata(role: String, before version: Int64) throws {
        try sql.run("DELETE FROM metadata WHERE role = $1 AND version < $2", [.text(role), .integer(version)])
    }

    /// Whether a file with this SHA-256 was kept for this target path.
    public func hasFile(sha256: String, path: String) throws -> Bool {
        try sql.row("SELECT 1 FROM target_files WHERE sha256 = $1 AND path = $2", [.text(sha256), .text(path)]) != nil
    }

    /// Records a file that is on disk.
    public func put(_ file: StoredFile) throws {
        try sql.run(
            """
            INSERT INTO target_files (sha256, length, path, stored) VALUES ($1, $2, $3, $4)
            ON CONFLICT (sha256) DO UPDATE SET path = $3, stored = $4
            """,
            [.text(file.sha256), .integer(file.length), .text(file.path), .integer(file.stored.milliseconds)]
        )
    }

    /// Every file that is on disk.
    public func files() throws -> [StoredFile] {
        try sql.rows("SELECT sha256, length, path, stored FROM target_files ORDER BY sha256", []).map {
            StoredFile(
                sha256: try $0.text(0),
                length: try $0.integer(1),
                path: try $0.text(2),
                stored: UTCTime(milliseconds: try $0.integer(3))
            )
        }
    }

    /// Forgets a file.
    public func removeFile(sha256: String) throws {
        try sql.run("DELETE FROM target_files WHERE sha256 = $1", [.text(sha256)])
    }
}
