/// Single values that the service remembers, by name.
extension StoreTransaction {
    /// The value of a setting, or nil.
    public func setting(_ name: String) throws -> [UInt8]? {
        try sql.row("SELECT value FROM settings WHERE name = $1", [.text(name)])?.bytes(0)
    }

    /// Sets a setting.
    public func set(_ name: String, _ value: [UInt8]) throws {
        try sql.run(
            "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2",
            [.text(name), .bytes(value)]
        )
    }

    /// Sets a setting that must not be there yet; false where it is.
    public func setOnce(_ name: String, _ value: [UInt8]) throws -> Bool {
        try sql.run(
            "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
            [.text(name), .bytes(value)]
        ) == 1
    }
}
