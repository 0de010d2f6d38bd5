import Glibc

/// Whole files read into memory, never more than the caller allows.
public enum BoundedFile {
    /// The bytes of the regular file at `path`; an error when they are more than `limit`.
    public static func read(_ path: String, limit: Int) throws(SystemError) -> [UInt8] {
        try read(try OpenFile(path, flags: O_RDONLY | O_NONBLOCK), limit: limit)
    }

    /// As `read`, but nil where the file does not exist.
    public static func readIfPresent(_ path: String, limit: Int) throws(SystemError) -> [UInt8]? {
        do throws(SystemError) {
            return try read(path, limit: limit)
        } catch  where error.isMissing {
            return nil
        }
    }

    /// The bytes of an open file from its beginning; works for /proc, whose files have no length.
    public static func read(_ file: OpenFile, limit: Int) throws(SystemError) -> [UInt8] {
        let kind = try file.status().st_mode & S_IFMT
        guard kind == S_IFREG else { throw SystemError("read", file.path, because: "it is not a regular file") }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: max(1, min(limit + 1, 65536)))
        while true {
            let offset = Int64(bytes.count)
            let result = piece.withUnsafeMutableBytes { buffer in
                Result { () throws(SystemError) in try file.read(into: buffer, at: offset) }
            }
            let count = try result.get()
            if count == 0 { return bytes }
            guard bytes.count + count <= limit else {
                throw SystemError("read", file.path, because: "it is longer than \(limit) bytes")
            }
            bytes.append(contentsOf: piece[..<count])
        }
    }
}
