import MusterKeys
import Testing

@Suite struct SealedSecretTests {
    private let key = Ed25519SecretKey.generate()
    private let purpose = SealedSecret.Purpose(
        fleet: "fleet",
        statement: "run",
        requester: "ada",
        node: "node-1",
        parameter: "password"
    )

    private func secret(_ text: String) -> SecretBytes {
        var bytes = Array(text.utf8)
        return SecretBytes(wiping: &bytes)
    }

    private func text(_ secret: SecretBytes?) -> String? {
        secret.map { secret in
            secret.withBytes { String(decoding: UnsafeBufferPointer(start: $0, count: secret.count), as: UTF8.self) }
        }
    }

    @Test("what is sealed to a node's key is read with it", arguments: ["", "x", "correct horse battery staple"])
    func opens(_ value: String) throws {
        let sealed = try #require(SealedSecret.seal(secret(value), to: key.publicKey, for: purpose))
        #expect(sealed.count == value.utf8.count + SealedSecret.overhead)
        #expect(text(SealedSecret.open(sealed, with: key, for: purpose)) == value)
    }

    @Test("another node's key reads nothing")
    func anotherKey() throws {
        let sealed = try #require(SealedSecret.seal(secret("hunter2"), to: key.publicKey, for: purpose))
        #expect(SealedSecret.open(sealed, with: .generate(), for: purpose) == nil)
    }

    @Test("a sealed value that was copied into another request, or to another parameter, is not handed out")
    func anotherPurpose() throws {
        let sealed = try #require(SealedSecret.seal(secret("hunter2"), to: key.publicKey, for: purpose))
        let others = [
            ("other", "run", "ada", "node-1", "password"), ("fleet", "other", "ada", "node-1", "password"),
            ("fleet", "run", "eve", "node-1", "password"), ("fleet", "run", "ada", "node-2", "password"),
            ("fleet", "run", "ada", "node-1", "text"), ("fleetr", "un", "ada", "node-1", "password"),
        ]
        for (fleet, statement, requester, node, parameter) in others {
            let other = SealedSecret.Purpose(
                fleet: fleet,
                statement: statement,
                requester: requester,
                node: node,
                parameter: parameter
            )
            #expect(SealedSecret.open(sealed, with: key, for: other) == nil)
        }
    }

    @Test("a sealed value with any byte changed, cut or lengthened is not opened")
    func changed() throws {
        let sealed = try #require(SealedSecret.seal(secret("hunter2"), to: key.publicKey, for: purpose))
        for index in sealed.indices {
            var changed = sealed
            changed[index] ^= 1
            #expect(SealedSecret.open(changed, with: key, for: purpose) == nil)
        }
        #expect(SealedSecret.open(Array(sealed.dropLast()), with: key, for: purpose) == nil)
        #expect(SealedSecret.open(sealed + [0], with: key, for: purpose) == nil)
        #expect(SealedSecret.open([], with: key, for: purpose) == nil)
    }

    @Test("nothing is sealed to what is no key, and no secret that is too long")
    func refusals() {
        #expect(SealedSecret.seal(secret("x"), to: [1, 2, 3], for: purpose) == nil)
        #expect(SealedSecret.seal(secret("x"), to: [UInt8](repeating: 0, count: 32), for: purpose) == nil)
        let long = SecretBytes(random: SealedSecret.secretLimit + 1)
        #expect(SealedSecret.seal(long, to: key.publicKey, for: purpose) == nil)
    }
}
