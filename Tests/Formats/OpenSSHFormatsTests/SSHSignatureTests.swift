import ByteCoding
import MusterTestSupport
import OpenSSHFormats
import SignatureVerification
import Testing

@Suite struct SSHSignatureTests {
    private let message = Array("{\"_type\":\"upgrade\"}".utf8)
    private let namespace = "upgrade@muster"

    @Test("a signature by every kind of key verifies, parses and is written as it was")
    func verifies() throws {
        for key in SyntheticKey.all {
            let signature = try key.signature(message, namespace: namespace)
            let parsed = try SSHSignature(blob: signature.blob)
            #expect(parsed == signature)
            #expect(try SSHSignature(armored: signature.armored) == signature)
            #expect(parsed.verify(message: message, namespace: namespace) == .valid)
            #expect(parsed.verify(message: message + [0], namespace: namespace) == .invalid)
            #expect(parsed.verify(message: message, namespace: "run@muster") == .otherNamespace(namespace))
        }
    }

    @Test("a security key that nobody touched counts only where touch is not asked for")
    func refusesUntouched() throws {
        for key in SyntheticKey.all where try key.publicKey.kind.isSecurityKey {
            let signature = try key.signature(message, namespace: namespace, flags: 0)
            #expect(signature.verify(message: message, namespace: namespace) == .untouched)
            #expect(signature.verify(message: message, namespace: namespace, requireTouch: false) == .valid)
        }
    }

    @Test("the touch bit set after signing makes the signature invalid")
    func refusesForgedTouch() throws {
        for key in SyntheticKey.all where try key.publicKey.kind.isSecurityKey {
            let untouched = try key.signature(message, namespace: namespace, flags: 0)
            var blob = untouched.blob
            blob[blob.count - 5] = 1
            let forged = try SSHSignature(blob: blob)
            #expect(forged.signature.presence?.touched == true)
            #expect(forged.verify(message: message, namespace: namespace) == .invalid)
        }
    }

    @Test("the signature of one key is none of another")
    func refusesOtherKey() throws {
        let one = SyntheticKey.ed25519(TestKey("one"))
        let other = try SyntheticKey.ed25519(TestKey("other")).publicKey
        let inner = try one.signature(message, namespace: namespace).signature
        let swapped = try #require(
            SSHSignature(publicKey: other, namespace: namespace, hash: .sha512, signature: inner)
        )
        #expect(swapped.verify(message: message, namespace: namespace) == .invalid)
    }

    @Test("an unknown hash, version, reserved content and RSA with SHA-1 are refused")
    func refusesDowngrades() throws {
        let signature = try SyntheticKey.ed25519(TestKey("one")).signature(message, namespace: namespace)
        func blob(_ version: UInt32, _ reserved: [UInt8], _ hash: String, _ algorithm: String) -> [UInt8] {
            var inner = ByteWriter()
            inner.string(algorithm)
            inner.string(signature.signature.signature)
            var writer = ByteWriter()
            writer.raw(Array("SSHSIG".utf8))
            writer.uint32(version)
            writer.string(signature.publicKey.blob)
            writer.string(namespace)
            writer.string(reserved)
            writer.string(hash)
            writer.string(inner.bytes)
            return writer.bytes
        }
        #expect(try SSHSignature(blob: blob(1, [], "sha512", "ssh-ed25519")) == signature)
        #expect(throws: SSHFormatError.self) { try SSHSignature(blob: blob(2, [], "sha512", "ssh-ed25519")) }
        #expect(throws: SSHFormatError.self) { try SSHSignature(blob: blob(1, [1], "sha512", "ssh-ed25519")) }
        #expect(throws: SSHFormatError.self) { try SSHSignature(blob: blob(1, [], "sha1", "ssh-ed25519")) }
        #expect(throws: SSHFormatError.self) { try SSHSignature(blob: blob(1, [], "sha512", "ssh-rsa")) }
        #expect(throws: SSHFormatError.self) { try SSHSignature(blob: blob(1, [], "sha512", "rsa-sha2-256")) }
        #expect(throws: SSHFormatError.self) {
            try SSHSignature(blob: blob(1, [], "sha512", "ssh-ed25519") + [0])
        }
    }

    @Test("no damaged signature verifies, and what parses is written as it was read")
    func survivesMutation() throws {
        for key in SyntheticKey.all {
            let signature = try key.signature(message, namespace: namespace)
            Mutations.of(signature.blob, count: 300, limit: 150) { blob in
                guard let parsed = try? SSHSignature(blob: blob) else { return }
                #expect(parsed.blob == blob)
                #expect(
                    blob == signature.blob
                        || parsed.publicKey != signature.publicKey
                        || parsed.verify(message: message, namespace: namespace) != .valid
                )
            }
            Mutations.of(Array(signature.armored.utf8), count: 300, limit: 150) { bytes in
                let text = String(decoding: bytes, as: UTF8.self)
                guard let parsed = try? SSHSignature(armored: text) else { return }
                #expect(parsed == signature || parsed.verify(message: message, namespace: namespace) != .valid)
            }
        }
    }
}
