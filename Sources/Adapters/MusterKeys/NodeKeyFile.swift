import ByteCoding
import Glibc
import MusterSystem

/// The file that holds a node's key.
///
/// ```
/// "muster node key 1\n" (18 bytes) | seed (32) | public key (32)
/// ```
/// 82 bytes, mode 0600. The public key is there so that damage is noticed: a node with another key would be a stranger.
/// A file that others may read, or that is not ours, is refused; so is replacing one.
public enum NodeKeyFile {
    /// Makes a new key and its file; an error where the file already exists.
    ///
    /// The key is on the disk when this returns.
    public static func create(at path: String) throws(SystemError) -> Ed25519SecretKey {
        let key = Ed25519SecretKey.generate()
        var bytes = magic
        key.withSeed {
            bytes.append(contentsOf: UnsafeBufferPointer(start: $0, count: Ed25519SecretKey.seedLength))
        }
        bytes.append(contentsOf: key.publicKey)
        defer { _ = SecretBytes(wiping: &bytes) }
        // Linked, not renamed, into place: whole or not there, and never over another key.
        let unnamed = path + ".new-" + Hex.encode(RandomBytes.make(8))
        try AtomicFile.write(bytes, to: unnamed)
        defer { unlink(unnamed) }
        guard link(unnamed, path) == 0 else { throw SystemError("create node key", path, errno: errno) }
        try Directory.sync(Directory.parent(of: path))
        return key
    }

    /// Reads the key; nil where there is no file.
    public static func readIfPresent(_ path: String) throws(SystemError) -> Ed25519SecretKey? {
        do throws(SystemError) {
            return try read(path)
        } catch  where error.isMissing {
            return nil
        }
    }

    /// Reads the key.
    public static func read(_ path: String) throws(SystemError) -> Ed25519SecretKey {
        let file = try OpenFile(path, flags: O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
        let status = try file.status()
        guard status.st_mode & 0o077 == 0 else {
            throw SystemError(
                "use node key",
                path,
                because: "others may read it; if nobody did, 'chmod 600' it, else enroll the node again"
            )
        }
        guard status.st_uid == geteuid() else {
            throw SystemError("use node key", path, because: "it belongs to user \(status.st_uid), not to us")
        }
        var bytes = try BoundedFile.read(file, limit: length)
        defer { _ = SecretBytes(wiping: &bytes) }
        guard bytes.count == length, Array(bytes[..<magic.count]) == magic else {
            throw SystemError("use node key", path, because: "it is not a node key of version 1; enroll the node again")
        }
        var part = Array(bytes[magic.count..<(magic.count + Ed25519SecretKey.seedLength)])
        let seed = SecretBytes(wiping: &part)
        guard let key = Ed25519SecretKey(seed: seed), Array(bytes.suffix(32)) == key.publicKey else {
            throw SystemError("use node key", path, because: "it is damaged; restore it or enroll the node again")
        }
        return key
    }

    /// Reads the key, or makes it where there is none.
    public static func readOrCreate(_ path: String) throws(SystemError) -> Ed25519SecretKey {
        if let key = try readIfPresent(path) { return key }
        return try create(at: path)
    }

    private static let magic = Array("muster node key 1\n".utf8)
    private static let length = 82
}
