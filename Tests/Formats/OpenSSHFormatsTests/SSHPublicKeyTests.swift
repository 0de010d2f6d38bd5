import ByteCoding
import MusterTestSupport
import OpenSSHFormats
import Testing

@Suite struct SSHPublicKeyTests {
    /// Made by `ssh-keygen -t ed25519`; the fingerprint is what `ssh-keygen -l` said.
    private let line =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl github@github.com"
    private let fingerprint = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"

    @Test("a line gives the key, whose fingerprint is ssh-keygen's")
    func parsesLine() throws {
        let key = try SSHPublicKey(line: line)
        #expect(key.kind == .ed25519)
        #expect(key.fingerprint == fingerprint)
        #expect(line.hasPrefix(key.line + " "))
        #expect(try SSHPublicKey(line: key.line + "\n") == key)
    }

    @Test("parsing and writing gives the same blob for every kind")
    func roundTrips() throws {
        for synthetic in SyntheticKey.all {
            let key = try synthetic.publicKey
            #expect(try SSHPublicKey(blob: key.blob) == key)
            #expect(try SSHPublicKey(line: key.line).blob == key.blob)
        }
    }

    @Test(
        "lines that are no plain key are refused",
        arguments: [
            "", "ssh-ed25519", "ssh-ed25519 !!!!", "ssh-dss AAAAB3NzaC1kc3M=", "restrict ssh-ed25519 AAAA",
            "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl a\nssh-ed25519 AAAA",
            "ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29t",
        ]
    )
    func refusesLines(line: String) {
        #expect(throws: SSHFormatError.self) { try SSHPublicKey(line: line) }
    }

    @Test("an RSA key of 1024 bits, an even exponent, a leading zero and a point off the curve are refused")
    func refusesWeakNumbers() throws {
        func rsa(_ exponent: [UInt8], _ modulus: [UInt8]) -> [UInt8] {
            var writer = ByteWriter()
            writer.string("ssh-rsa")
            writer.string(exponent)
            writer.string(modulus)
            return writer.bytes
        }
        let good = [0, 0x80] + [UInt8](repeating: 1, count: 255)
        #expect(try SSHPublicKey(blob: rsa([1, 0, 1], good)).kind == .rsa)
        #expect(throws: SSHFormatError.self) { try SSHPublicKey(blob: rsa([2], good)) }
        #expect(throws: SSHFormatError.self) { try SSHPublicKey(blob: rsa([1], good)) }
        #expect(throws: SSHFormatError.self) { try SSHPublicKey(blob: rsa([0, 1, 0, 1], good)) }
        #expect(throws: SSHFormatError.self) { try SSHPublicKey(blob: rsa([1, 0, 1], [0] + good)) }
        let short = [0, 0x80] + [UInt8](repeating: 1, count: 127)
        #expect(throws: SSHFormatError.self) { try SSHPublicKey(blob: rsa([1, 0, 1], short)) }
        var writer = ByteWriter()
        writer.string("ecdsa-sha2-nistp256")
        writer.string("nistp256")
        writer.string([4] + [UInt8](repeating: 9, count: 64))
        #expect(throws: SSHFormatError.self) { try SSHPublicKey(blob: writer.bytes) }
    }

    @Test("whatever a damaged key parses to is written as it was read")
    func survivesMutation() throws {
        for synthetic in SyntheticKey.all {
            let key = try synthetic.publicKey
            Mutations.of(key.blob, count: 200, limit: 100) { blob in
                if let parsed = try? SSHPublicKey(blob: blob) { #expect(parsed.blob == blob) }
            }
            Mutations.of(Array(key.line.utf8), count: 200, limit: 100) { bytes in
                let line = String(decoding: bytes, as: UTF8.self)
                if let parsed = try? SSHPublicKey(line: line) {
                    #expect(line.contains(parsed.line.split(separator: " ")[1]))
                }
            }
        }
    }
}
