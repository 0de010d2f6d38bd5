import Glibc

/// What another program hands us through our standard input.
public enum StandardInput {
    /// Everything up to its end; an error when it is more than `limit` bytes.
    public static func read(limit: Int) throws(SystemError) -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = retrying { Glibc.read(STDIN_FILENO, &piece, piece.count) }
            guard count >= 0 else { throw SystemError("read", "standard input", errno: errno) }
            if count == 0 { return bytes }
            guard bytes.count + count <= limit else {
                throw SystemError("read", "standard input", because: "it is longer than \(limit) bytes")
            }
            bytes += piece[..<count]
        }
    }
}
