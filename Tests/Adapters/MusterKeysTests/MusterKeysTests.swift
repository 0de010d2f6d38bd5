import ByteCoding
import Glibc
import MusterKeys
import MusterSystem
import MusterTestSupport
import SignatureVerification
import Testing

@Suite struct MusterKeysTests {
    @Test("a generated key signs what its public half verifies, and no two keys are the same")
    func signs() {
        let key = Ed25519SecretKey.generate()
        let message = Array("report".utf8)
        #expect(Ed25519.verify(signature: key.sign(message), message: message, publicKey: key.publicKey))
        #expect(!Ed25519.verify(signature: key.sign(message), message: [], publicKey: key.publicKey))
        #expect(Ed25519SecretKey.generate().publicKey != key.publicKey)
    }

    @Test("the same seed makes the same key; another length makes none")
    func seeds() throws {
        let test = TestKey("node")
        var seed = test.seed
        let key = try #require(Ed25519SecretKey(seed: SecretBytes(wiping: &seed)))
        #expect(seed.isEmpty)
        #expect(key.publicKey == test.publicKey)
        #expect(key.sign([1]) == test.sign([1]))
        #expect(Ed25519SecretKey(seed: SecretBytes(random: 31)) == nil)
    }

    @Test("secrets are not printed")
    func hidesSecrets() {
        let key = Ed25519SecretKey.generate()
        #expect("\(key)" == "(Ed25519 secret key)")
        #expect("\(SecretBytes(random: 32))" == "(secret of 32 bytes)")
    }

    @Test("a tag by another key, of another message or of another length is refused")
    func authenticates() throws {
        let authentication = MessageAuthentication.generate()
        let tag = authentication.tag(for: [1, 2, 3])
        #expect(authentication.verify(tag: tag, for: [1, 2, 3]))
        #expect(!authentication.verify(tag: tag, for: [1, 2]))
        #expect(!authentication.verify(tag: Array(tag.dropLast()), for: [1, 2, 3]))
        #expect(!MessageAuthentication.generate().verify(tag: tag, for: [1, 2, 3]))
        #expect(MessageAuthentication(key: SecretBytes(random: 16)) == nil)
        #expect(RandomBytes.make(32) != RandomBytes.make(32))
    }

    @Test("HMAC-SHA256 gives the tags of RFC 4231, for keys shorter and longer than a block")
    func hmac() {
        func tag(_ key: [UInt8], _ message: String) -> String {
            var key = key
            return Hex.encode(HMACSHA256.tag(of: Array(message.utf8), key: SecretBytes(wiping: &key)))
        }
        #expect(
            tag([UInt8](repeating: 0x0B, count: 20), "Hi There")
                == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        )
        #expect(
            tag(Array("Jefe".utf8), "what do ya want for nothing?")
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        )
        #expect(
            tag(
                [UInt8](repeating: 0xAA, count: 131),
                "Test Using Larger Than Block-Size Key - Hash Key First"
            ) == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        )
    }
}

@Suite struct NodeKeyFileTests {
    private let folder: TemporaryFolder
    private let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder.file("node.key")
    }

    @Test("the file is made once, is 0600 and gives the same key again")
    func keeps() throws {
        let key = try NodeKeyFile.readOrCreate(path)
        #expect(try OpenFile(path).status().st_mode & 0o7777 == 0o600)
        #expect(try NodeKeyFile.readOrCreate(path).publicKey == key.publicKey)
        #expect(try Directory.entries(folder.path) == ["node.key"])
    }

    @Test("an existing key is never replaced")
    func neverReplaces() throws {
        let key = try NodeKeyFile.create(at: path)
        #expect(throws: SystemError.self) { try NodeKeyFile.create(at: path) }
        #expect(try NodeKeyFile.read(path).publicKey == key.publicKey)
        #expect(try Directory.entries(folder.path) == ["node.key"])
    }

    @Test("a file that others may read is refused")
    func refusesReadable() throws {
        _ = try NodeKeyFile.create(at: path)
        chmod(path, 0o640)
        #expect(throws: SystemError.self) { try NodeKeyFile.read(path) }
    }

    @Test("a damaged or shortened file is refused")
    func refusesDamage() throws {
        _ = try NodeKeyFile.create(at: path)
        let bytes = try BoundedFile.read(path, limit: 1000)
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 4
            try AtomicFile.write(changed, to: path)
            #expect(throws: SystemError.self) { try NodeKeyFile.read(path) }
        }
        try AtomicFile.write(Array(bytes.dropLast()), to: path)
        #expect(throws: SystemError.self) { try NodeKeyFile.readIfPresent(path) }
        try AtomicFile.write(bytes + [0], to: path)
        #expect(throws: SystemError.self) { try NodeKeyFile.read(path) }
        #expect(try NodeKeyFile.readIfPresent(folder.file("other")) == nil)
    }
}
