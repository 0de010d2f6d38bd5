import ByteCoding
import Crypto
import FoundationEssentials
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import SignatureVerification
import Testing

extension OpenSSHAgreementTests {
    @Test("we verify 600 signatures of ssh-keygen -Y sign", arguments: [["ed25519"], ["ecdsa", "-b", "256"], ["rsa"]])
    func weVerifyTheirs(type: [String]) async throws {
        let bench = try OpenSSHWorkbench()
        let key = try await bench.key("key", ["-t"] + type)
        var generator = SeededGenerator(seed: 31)
        var files: [String] = []
        for index in 0..<200 {
            let count = Int.random(in: 0...3000, using: &generator)
            try bench.folder.write("m\(index)", (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) })
            files.append("m\(index)")
        }
        let namespace = "upgrade@muster"
        for half in [files[..<100], files[100...]] {
            let result = try await bench.keygen(["-q", "-Y", "sign", "-f", "key", "-n", namespace] + half)
            try #require(result.succeeded, "\(result.errorText)")
        }
        for file in files {
            let signature = try SSHSignature(armored: try bench.text(file + ".sig"))
            let message = try #require(try bench.folder.read(file))
            #expect(signature.publicKey == key)
            #expect(signature.armored == (try bench.text(file + ".sig")))
            #expect(signature.verify(message: message, namespace: namespace) == .valid)
            #expect(signature.verify(message: message + [0], namespace: namespace) == .invalid)
        }
    }

    @Test("ssh-keygen -Y verify decides 400 times as we do: who, what for, when, with which key")
    func keygenVerifiesOurs() async throws {
        let bench = try OpenSSHWorkbench()
        var generator = SeededGenerator(seed: 32)
        let namespaces = ["login@muster", "upgrade@muster", "file"]
        let people = ["ada@example.com", "ben@ops.example.com", "cat"]
        var allowed = 0
        for number in 0..<400 {
            let signers = try Self.signers(&generator)
            try bench.write("signers", "# who may sign\n\n" + signers.text)
            let namespace = namespaces.randomElement(using: &generator) ?? ""
            let person = people.randomElement(using: &generator) ?? ""
            let time = UTCTime(seconds: 1_700_000_000 + Int64.random(in: -2...2, using: &generator))
            let message = Array("message \(number)".utf8)
            let blob = try TestKey("signer \(Int.random(in: 0..<3, using: &generator))")
                .sshSignature(of: message, namespace: namespaces.randomElement(using: &generator) ?? "")
            let signature = try SSHSignature(blob: blob)
            try bench.write("signature", signature.armored)
            let moment = String(
                time.description.utf8.filter { (48...57).contains($0) }.map { Character(UnicodeScalar($0)) }
            )
            let result = try await bench.keygen(
                [
                    "-Y", "verify", "-f", "signers", "-I", person, "-n", namespace, "-s", "signature",
                    "-Overify-time=\(moment)Z",
                ],
                input: message
            )
            let ours = signers.verify(signature, message: message, principal: person, namespace: namespace, time: time)
            #expect(
                ours.isAllowed == result.succeeded,
                "\(signers.text) \(person) \(namespace) \(moment) \(result.errorText)"
            )
            #expect(try SSHAllowedSigners(text: signers.text) == signers)
            if ours.isAllowed { allowed += 1 }
        }
        #expect((20...380).contains(allowed), "\(allowed) of 400 allowed shows nothing")
    }

    private static func signers(_ generator: inout SeededGenerator) throws -> SSHAllowedSigners {
        let patterns = [
            "ada@example.com", "*@example.com", "*@*.example.com", "*,!cat", "c?t", "ben@ops.example.com,cat", "*",
            "a*a*m",
        ]
        let namespaces = [nil, nil, "*", "login@muster", "*@muster,!login@*", "upgrade@muster,file"]
        var entries: [SSHAllowedSigners.Entry] = []
        for _ in 0..<Int.random(in: 1...5, using: &generator) {
            func moment() -> UTCTime? {
                Bool.random(using: &generator)
                    ? nil : UTCTime(seconds: 1_700_000_000 + Int64.random(in: -2...2, using: &generator))
            }
            let (one, other) = (moment(), moment())
            entries.append(
                try SSHAllowedSigners.Entry(
                    principals: patterns.randomElement(using: &generator) ?? "*",
                    publicKey: try TestKey("signer \(Int.random(in: 0..<3, using: &generator))").ssh,
                    isAuthority: Int.random(in: 0..<8, using: &generator) == 0,
                    namespaces: namespaces.randomElement(using: &generator) ?? nil,
                    validAfter: one.flatMap { after in other.map { min(after, $0) } ?? after },
                    validBefore: other.flatMap { before in one.map { max(before, $0) } ?? before }
                )
            )
        }
        return SSHAllowedSigners(entries)
    }
}
