import ByteCoding
import Glibc
import MusterKeys
import MusterSigners
import MusterSystem
import MusterTestSupport
import TUF
import Testing

@Suite struct SealedKeyFileTests {
    private let key = Ed25519SecretKey.generate()

    private func passphrase(_ text: String) throws -> Passphrase {
        var bytes = Array(text.utf8)
        return try #require(Passphrase(wiping: &bytes))
    }

    private func sealed() throws -> SealedKeyFile {
        try SealedKeyFile(sealing: key, passphrase: passphrase("correct"), comment: "root key 1", cost: .minimal)
    }

    @Test("the right passphrase opens the key that was sealed")
    func opens() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("root.key")
        try sealed().write(to: path)
        #expect(try OpenFile(path).status().st_mode & 0o7777 == 0o600)
        let file = try SealedKeyFile.read(path)
        #expect(file.comment == "root key 1")
        #expect(file.publicKey == key.publicKey)
        let opened = try file.unseal(passphrase("correct"))
        #expect(opened.sign([1]) == key.sign([1]))
        #expect(opened.keyID == TUFKey(ed25519: key.publicKey).id)
    }

    @Test("a file that the group or others may read or write is refused", arguments: [0o640, 0o604, 0o620, 0o602])
    func refusesOpenFile(mode: mode_t) throws {
        let folder = try TemporaryFolder()
        let path = folder.file("root.key")
        try sealed().write(to: path)
        try #require(chmod(path, mode) == 0)
        let error = #expect(throws: SigningError.self) { try SealedKeyFile.read(path) }
        #expect(error?.code == .refused)
        #expect(error?.message.contains("chmod 600") == true)
        try #require(chmod(path, 0o400) == 0)
        _ = try SealedKeyFile.read(path)
    }

    @Test("the default cost is 256 MiB")
    func opensModerate() throws {
        let file = try SealedKeyFile(sealing: key, passphrase: passphrase("a"), comment: "")
        #expect(file.derivation.cost == .moderate)
        #expect(try SealedKeyFile(file.bytes).unseal(passphrase("a")).publicKey == key.publicKey)
    }

    @Test("a wrong passphrase is a clear error")
    func refusesWrongPassphrase() throws {
        let file = try sealed()
        let error = #expect(throws: SigningError.self) { try file.unseal(passphrase("Correct")) }
        #expect(error?.code == .wrongPassphrase)
        #expect(error?.message.contains("passphrase") == true)
        var none: [UInt8] = []
        #expect(Passphrase(wiping: &none) == nil)
    }

    @Test("every truncation and every changed byte is refused")
    func refusesDamage() throws {
        let bytes = try sealed().bytes
        let phrase = try passphrase("correct")
        for index in bytes.indices {
            #expect(throws: SigningError.self) { try SealedKeyFile(Array(bytes[..<index])).unseal(phrase) }
            for bit in 0..<8 {
                var changed = bytes
                changed[index] ^= 1 << UInt8(bit)
                #expect(throws: SigningError.self) { try SealedKeyFile(changed).unseal(phrase) }
            }
        }
        #expect(throws: SigningError.self) { try SealedKeyFile(bytes + [0x0A]) }
    }

    @Test(
        "a file that asks for all memory, or for hours, is refused before anything is computed",
        arguments: [
            ("\"memory\": 8192", "\"memory\": 1099511627776"), ("\"memory\": 8192", "\"memory\": 1"),
            ("\"memory\": 8192", "\"memory\": -1"), ("\"operations\": 1", "\"operations\": 4294967295"),
            ("\"operations\": 1", "\"operations\": 0"), ("argon2id13", "argon2i"), ("xchacha20-poly1305", "none"),
            ("\"version\": 1", "\"version\": 2"),
        ]
    )
    func refusesCosts(change: (String, String)) throws {
        let text = String(decoding: try sealed().bytes, as: UTF8.self)
        let parts = text.split(separator: change.0, maxSplits: 1)
        try #require(parts.count == 2)
        let error = #expect(throws: SigningError.self) {
            try SealedKeyFile(Array((parts[0] + change.1 + parts[1]).utf8))
        }
        #expect(error?.code == .malformed)
    }

    @Test("a passphrase is read up to the end of the line from a descriptor")
    func readsPassphrase() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("phrase")
        try AtomicFile.write(Array("correct\nrest".utf8), to: path)
        let file = try OpenFile(path)
        let read = try Passphrase.read(descriptor: file.descriptor)
        #expect(read.equals(try passphrase("correct")))
        #expect("\(read)" == "(passphrase)")
        try AtomicFile.write([UInt8](repeating: 65, count: 5000), to: path)
        let long = try OpenFile(path)
        #expect(throws: SigningError.self) { try Passphrase.read(descriptor: long.descriptor) }
    }
}
