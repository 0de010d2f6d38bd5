import Glibc
import MusterSystem

/// sshd's log file, read from where the last look ended, through rotations.
struct SSHLogFile {
    /// Where the last look ended.
    struct Position: Hashable, Sendable {
        /// The file, whatever its name is by now.
        var inode: UInt64
        /// Bytes of it that were read.
        var offset: Int64
    }

    private let path: String
    private var file: OpenFile?
    private var rest: [UInt8] = []
    private var isSkipping = false
    /// Where the next look begins; nil before the first.
    private(set) var position: Position?

    /// Most bytes of one look.
    private static let lookLimit = 1 << 20

    /// Follows the file at `path` from `position`; from its end where there is no position yet.
    init(_ path: String, from position: Position?) {
        self.path = path
        self.position = position
    }

    /// The whole lines that were added since the last look.
    mutating func lines() throws(SystemError) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        if file == nil { try open(&lines) }
        if let file { try read(file, &lines) }
        if try isReplaced() {
            // What came last into the file that was put aside is read by now; the new one is read from its beginning.
            file = nil
            rest = []
            position = try Self.inode(path).map { Position(inode: $0, offset: 0) }
            try open(&lines)
            if let file { try read(file, &lines) }
        }
        return lines
    }

    private mutating func open(_ lines: inout [[UInt8]]) throws(SystemError) {
        guard Directory.exists(path) else { return }
        let opened = try OpenFile(path, flags: O_RDONLY | O_NONBLOCK)
        let inode = UInt64(try opened.status().st_ino)
        if let position, position.inode != inode, let old = try? OpenFile(path + ".1", flags: O_RDONLY | O_NONBLOCK),
            let status = try? old.status(), UInt64(status.st_ino) == position.inode
        {
            try read(old, &lines)
        }
        if position == nil {
            position = Position(inode: inode, offset: try opened.length())
        } else if position?.inode != inode {
            position = Position(inode: inode, offset: 0)
            rest = []
        }
        file = opened
    }

    private mutating func read(_ file: OpenFile, _ lines: inout [[UInt8]]) throws(SystemError) {
        guard var place = position else { return }
        // A file that was cut to nothing begins anew.
        if try file.length() < place.offset {
            place.offset = 0
            rest = []
        }
        var left = Self.lookLimit
        var piece = [UInt8](repeating: 0, count: 65536)
        while left > 0 {
            let offset = place.offset
            let result = piece.withUnsafeMutableBytes { buffer in
                Result { () throws(SystemError) in try file.read(into: buffer, at: offset) }
            }
            let count = try result.get()
            if count == 0 { break }
            place.offset += Int64(count)
            left -= count
            split(piece[..<count], &lines)
        }
        position = place
    }

    /// Cuts bytes into lines; a line of more than the limit is dropped whole.
    private mutating func split(_ bytes: ArraySlice<UInt8>, _ lines: inout [[UInt8]]) {
        for byte in bytes {
            if byte == UInt8(ascii: "\n") {
                if !isSkipping { lines.append(rest) }
                rest.removeAll(keepingCapacity: true)
                isSkipping = false
            } else if rest.count >= SSHLogLine.limit {
                isSkipping = true
            } else {
                rest.append(byte)
            }
        }
    }

    private func isReplaced() throws(SystemError) -> Bool {
        guard let position, let inode = try Self.inode(path) else { return false }
        return inode != position.inode
    }

    private static func inode(_ path: String) throws(SystemError) -> UInt64? {
        var status = stat()
        guard stat(path, &status) == 0 else {
            if errno == ENOENT { return nil }
            throw SystemError("examine", path, errno: errno)
        }
        return UInt64(status.st_ino)
    }
}
