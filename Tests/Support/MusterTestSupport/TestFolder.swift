import Glibc
import MusterSystem

/// A temporary folder of one test's own, removed with everything in it when the test is over.
public final class TestFolder: Sendable {
    /// Its absolute path.
    public let path: String

    /// A new empty folder.
    public init() throws {
        path = "/tmp/muster-test-\(UInt64.random(in: .min ... .max))"
        try Directory.create(path)
    }

    deinit { Self.remove(path) }

    /// Names of everything in it, sorted.
    public func names(in folder: String = "") throws -> [String] {
        let whole = folder.isEmpty ? path : path + "/" + folder
        return Directory.exists(whole) ? try Directory.entries(whole) : []
    }

    /// The bytes of a file in it; nil where there is none.
    public func read(_ name: String) throws -> [UInt8]? {
        try BoundedFile.readIfPresent(path + "/" + name, limit: 10_000_000)
    }

    private static func remove(_ path: String) {
        for name in (try? Directory.entries(path)) ?? [] where unlink(path + "/" + name) != 0 {
            remove(path + "/" + name)
        }
        rmdir(path)
    }
}
