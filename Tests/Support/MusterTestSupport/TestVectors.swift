import MusterSystem

/// Files below `Tests/Vectors`, each folder of which says where it comes from.
public enum TestVectors {
    /// The folder, found from this source file.
    public static var folder: String {
        Directory.parent(of: Directory.parent(of: Directory.parent(of: #filePath))) + "/Vectors"
    }

    /// The bytes of one file.
    public static func read(_ name: String) throws -> [UInt8] {
        try BoundedFile.read(folder + "/" + name, limit: 10_000_000)
    }
}
