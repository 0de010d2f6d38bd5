import Glibc
import MusterAPI
import MusterKeys
import MusterSystem

/// Where the service keeps everything: one folder, 0700, locked while the service runs.
///
/// ```
/// muster.db           the register
/// keys/               sealed service keys, passphrase, session.key (0600)
/// files/              target files by SHA-256
/// uploads/            files that are still arriving
/// setup-token         0600, until there is a fleet
/// address             where the service listens
/// ```
struct StateDirectory: Sendable {
    let path: String
    private let lock: FileLock

    /// Makes the folder where it is missing, and locks it.
    init(_ path: String) throws {
        self.path = path
        for folder in ["", "/keys", "/files", "/uploads"] { try Directory.create(path + folder, mode: 0o700) }
        lock = try FileLock.acquire(path + "/lock")
        for name in try Directory.entries(path + "/uploads") { try AtomicFile.remove(path + "/uploads/" + name) }
    }

    var database: String { path + "/muster.db" }
    var keys: String { path + "/keys" }
    var address: String { path + "/address" }
    private var setupTokenFile: String { path + "/setup-token" }

    /// Where a target file is, by its SHA-256 in hexadecimal digits.
    func file(_ sha256: String) -> String { path + "/files/" + sha256 }

    /// Where a file is while it arrives.
    func upload(_ name: String) -> String { path + "/uploads/" + name }

    /// The set-up token; nil where there is none, or one for other keys.
    func setupToken(keysDigest: [UInt8]) throws -> SetupToken? {
        guard let bytes = try BoundedFile.readIfPresent(setupTokenFile, limit: 4096),
            let token = SetupToken(line: String(decoding: bytes, as: UTF8.self)), token.keysDigest == keysDigest
        else { return nil }
        return token
    }

    /// Makes the set-up token.
    func makeSetupToken(keysDigest: [UInt8]) throws -> SetupToken {
        guard let token = SetupToken(keysDigest: keysDigest, secret: RandomBytes.make(32)) else {
            throw SystemError("make", setupTokenFile, because: "the digest of the service keys has not 32 bytes")
        }
        try AtomicFile.write(Array((token.line + "\n").utf8), to: setupTokenFile)
        return token
    }

    /// Forgets the set-up token: there is a fleet.
    func removeSetupToken() throws {
        try AtomicFile.remove(setupTokenFile)
    }

    /// A secret of `count` random bytes that outlives restarts.
    func secret(_ name: String, count: Int) throws -> SecretBytes {
        let file = keys + "/" + name
        if var bytes = try BoundedFile.readIfPresent(file, limit: 4096) {
            guard bytes.count == count else {
                throw SystemError("use", file, because: "it has not \(count) bytes; remove it to have a new one made")
            }
            return SecretBytes(wiping: &bytes)
        }
        var bytes = RandomBytes.make(count)
        try AtomicFile.write(bytes, to: file)
        return SecretBytes(wiping: &bytes)
    }
}
