import Glibc
import MusterKeys
import MusterSystem

/// The secret that a webhook's receiver checks our signature with.
public enum WebhookSecret {
    /// Bytes that such a secret may have.
    public static let length = 16...1024

    /// Reads the secret of a file; a line feed at its end is not part of it.
    ///
    /// Refuses a file that others may read.
    public static func read(_ path: String) throws(SystemError) -> SecretBytes {
        let file = try OpenFile(path, flags: O_RDONLY | O_NONBLOCK)
        guard try file.status().st_mode & 0o077 == 0 else {
            throw SystemError("use", path, because: "others may read or write it: 'chmod 600' it")
        }
        var bytes = try BoundedFile.read(file, limit: length.upperBound + 1)
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        let secret = SecretBytes(wiping: &bytes)
        guard length.contains(secret.count) else {
            throw SystemError(
                "use",
                path,
                because: "a secret has \(length.lowerBound) to \(length.upperBound) bytes: "
                    + "make one with 'openssl rand -hex 32'"
            )
        }
        return secret
    }
}
