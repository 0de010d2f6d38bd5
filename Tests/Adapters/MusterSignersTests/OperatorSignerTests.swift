import MusterSigners
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import SignatureVerification
import Testing

@Suite struct OperatorSignerTests {
    static let kinds: [[String]] = [
        ["-t", "ed25519"], ["-t", "ecdsa", "-b", "256"], ["-t", "rsa", "-b", "2048"],
    ]
    private let fixture: OpenSSHFixture
    private let message = Array("{\"_type\":\"upgrade\"}".utf8)
    private let namespace = "upgrade@muster"

    init() throws {
        fixture = try OpenSSHFixture()
    }

    @Test("what ssh-keygen signs, we verify; what is changed, we refuse", arguments: kinds)
    func verifiesKeygen(kind: [String]) async throws {
        let path = try await fixture.key(kind, name: "key")
        let signature = try await SSHKeygenSigner(keyPath: path, messages: .kept).sign(message, namespace: namespace)
        #expect(signature.verify(message: message, namespace: namespace) == .valid)
        #expect(signature.verify(message: message + [0x20], namespace: namespace) == .invalid)
        #expect(signature.verify(message: message, namespace: "run@muster") == .otherNamespace(namespace))
    }

    @Test("both hashes of ssh-keygen verify", arguments: kinds, ["sha256", "sha512"])
    func verifiesHashes(kind: [String], hash: String) async throws {
        let path = try await fixture.key(kind, name: "key")
        let file = fixture.folder.file("message")
        try AtomicFile.write(message, to: file)
        try await fixture.run(
            "/usr/bin/ssh-keygen",
            ["-Y", "sign", "-q", "-n", namespace, "-O", "hashalg=" + hash, "-f", path, file]
        )
        let text = String(decoding: try BoundedFile.read(file + ".sig", limit: 10_000), as: UTF8.self)
        let signature = try SSHSignature(armored: text)
        #expect(signature.hash.rawValue == hash)
        #expect(signature.armored == text)
        #expect(signature.verify(message: message, namespace: namespace) == .valid)
    }

    @Test("what we sign by way of the agent, ssh-keygen verifies", arguments: kinds)
    func agreesWithKeygen(kind: [String]) async throws {
        let path = try await fixture.key(kind, name: "key")
        let line = String(decoding: try BoundedFile.read(path + ".pub", limit: 10_000), as: UTF8.self)
        let key = try SSHPublicKey(line: line)
        let shown = try await fixture.run("/usr/bin/ssh-keygen", ["-l", "-f", path + ".pub"]).outputText
        #expect(shown.contains(key.fingerprint))
        try await fixture.withAgent { socket in
            try await fixture.add(path, to: socket)
            let signer = AgentOperatorSigner(agent: SSHAgent(path: socket), publicKey: key)
            let signature = try await signer.sign(message, namespace: namespace)
            #expect(signature.verify(message: message, namespace: namespace) == .valid)
            let armored = signature.armored
            #expect(
                try await fixture.verify(message, armored, namespace: namespace, publicKeyLine: key.line)
            )
            #expect(
                try await !fixture.verify(message + [0], armored, namespace: namespace, publicKeyLine: key.line)
            )
        }
    }

    @Test("an RSA key in the agent signs with SHA-256 when told to")
    func signsRSASHA256() async throws {
        let path = try await fixture.key(["-t", "rsa", "-b", "2048"], name: "key")
        let line = String(decoding: try BoundedFile.read(path + ".pub", limit: 10_000), as: UTF8.self)
        let key = try SSHPublicKey(line: line)
        try await fixture.withAgent { socket in
            try await fixture.add(path, to: socket)
            let signature = try await SSHAgent(path: socket).sign(message, key: key, algorithm: .rsaSHA256)
            #expect(signature.algorithm == .rsaSHA256)
            #expect(signature.verify(data: message, key: key, requireTouch: true) == .valid)
        }
    }

    @Test("a synthetic security-key signature without touch is accepted by ssh-keygen and refused by us")
    func stricterThanKeygen() async throws {
        let key = TestKey("security key")
        let signature = try key.securityKeySignature(message, namespace: namespace, flags: 0)
        let line = signature.publicKey.line
        #expect(try await fixture.verify(message, signature.armored, namespace: namespace, publicKeyLine: line))
        #expect(signature.verify(message: message, namespace: namespace) == .untouched)
        let touched = try key.securityKeySignature(message, namespace: namespace, flags: 1)
        #expect(try await fixture.verify(message, touched.armored, namespace: namespace, publicKeyLine: line))
        #expect(touched.verify(message: message, namespace: namespace) == .valid)
    }

    @Test("a key file that is gone is an error that says so")
    func missingKey() async throws {
        let path = try await fixture.key(["-t", "ed25519"], name: "key")
        let signer = try SSHKeygenSigner(keyPath: path, messages: .kept)
        try AtomicFile.remove(path)
        let error = await #expect(throws: SigningError.self) { try await signer.sign(message, namespace: namespace) }
        #expect(error?.code == .refused)
        #expect(error?.message.contains(path) == true)
    }
}
