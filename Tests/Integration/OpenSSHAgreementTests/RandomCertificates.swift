import ByteCoding
import Crypto
import FoundationEssentials
import MusterTestSupport
import OpenSSHFormats
import SignatureVerification

/// Keys of every kind and certificates of every shape, the same for the same seed.
struct RandomCertificates {
    var generator: SeededGenerator
    private let subjects: [SSHPublicKey]

    init(seed: UInt64, rsa: SSHPublicKey) throws {
        generator = SeededGenerator(seed: seed)
        let point = Array(P256.Signing.PrivateKey().publicKey.x963Representation)
        func key(_ parts: [[UInt8]]) throws -> SSHPublicKey {
            var writer = ByteWriter()
            for part in parts { writer.string(part) }
            return try SSHPublicKey(blob: writer.bytes)
        }
        func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
        subjects = [
            try TestKey("subject").ssh, try TestKey("other").ssh, rsa,
            try key([bytes("ecdsa-sha2-nistp256"), bytes("nistp256"), point]),
            try key([bytes("sk-ssh-ed25519@openssh.com"), TestKey("sk").publicKey, bytes("ssh:")]),
            try key([bytes("sk-ecdsa-sha2-nistp256@openssh.com"), bytes("nistp256"), point, bytes("ssh:muster")]),
        ]
    }

    mutating func next() throws -> SSHCertificateContent {
        let isUser = Int.random(in: 0..<4, using: &generator) > 0
        let after = UInt64.random(in: 1...2_000_000_000, using: &generator)
        let validity: (UInt64, UInt64) =
            switch Int.random(in: 0..<10, using: &generator) {
            case 0: (0, .max)
            case 1: (after, .max)
            case 2: (0, after)
            default: (after, after + UInt64.random(in: 1...100_000_000, using: &generator))
            }
        let subject = subjects.randomElement(using: &generator) ?? subjects[0]
        return try SSHCertificateContent(
            nonce: (0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) },
            publicKey: subject,
            serial: Bool.random(using: &generator) ? generator.next() : UInt64.random(in: 0...1000, using: &generator),
            kind: isUser ? .user : .host,
            keyID: text(0...60, "abcXYZ0189 /@.:_-"),
            principals: principals(),
            validAfter: validity.0,
            validBefore: validity.1,
            criticalOptions: isUser ? criticalOptions() : [],
            extensions: isUser ? extensions() : [],
            authority: try TestKey("ca").ssh
        )
    }

    mutating func text(_ length: ClosedRange<Int>, _ alphabet: String) -> String {
        let letters = Array(alphabet)
        return String(
            (0..<Int.random(in: length, using: &generator)).map { _ in letters.randomElement(using: &generator) ?? "a" }
        )
    }

    private mutating func principals() -> [String] {
        let count = Int.random(in: 0..<20, using: &generator) == 0 ? 256 : Int.random(in: 1...4, using: &generator)
        return (0..<count).map { "\($0)" + text(1...20, "abcxyz019._-") }
    }

    private mutating func criticalOptions() -> [SSHCertificateOption] {
        var options: [SSHCertificateOption] = []
        if chance() { options.append(.value("force-command", text(1...200, "abc /-.;'$&|"))) }
        if chance() {
            let blocks = ["127.0.0.1/32", "10.0.0.0/8", "fd7a:115c:a1e0::1/128", "::/0", "100.64.0.0/10", "::1/128"]
            options.append(.value("source-address", blocks.filter { _ in chance() }.joined(separator: ",")))
            if options.last?.text == "" { options.removeLast() }
        }
        if chance() { options.append(.flag("verify-required")) }
        if chance() { options.append(.value("x@example.com", text(0...50, "abc"))) }
        return options.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    private mutating func extensions() -> [SSHCertificateOption] {
        var options = SSHCertificateOption.permissions.filter { _ in chance() }.map { SSHCertificateOption.flag($0) }
        if chance() { options.append(.flag("no-touch-required")) }
        if chance() { options.append(.value("statement@muster", text(1...2000, "{}\":,abc019"))) }
        if chance() { options.append(.flag("zz@example.com")) }
        return options.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    private mutating func chance() -> Bool { Bool.random(using: &generator) }
}
