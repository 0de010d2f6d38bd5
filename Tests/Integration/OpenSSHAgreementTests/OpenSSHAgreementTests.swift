import ByteCoding
import Glibc
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import Testing

/// What we write, the real ssh-keygen reads as we meant it; what it writes, we read as it meant it.
@Suite struct OpenSSHAgreementTests {
    @Test("ssh-keygen -L says of 1500 certificates of ours exactly what we put in")
    func keygenListsOurs() async throws {
        let bench = try OpenSSHWorkbench()
        var certificates = try RandomCertificates(seed: 11, rsa: await bench.key("rsa", ["-t", "rsa", "-b", "2048"]))
        var made: [SSHCertificate] = []
        for _ in 0..<1500 { made.append(try TestKey("ca").certify(try certificates.next())) }
        let listed = try await bench.listing(made.map(\.line))
        for (certificate, listing) in zip(made, listed) {
            #expect(listing == certificate.listing)
            #expect(try SSHCertificate(line: certificate.line) == certificate)
        }
    }

    @Test("of 4000 damaged certificates, ssh-keygen accepts every one that we accept as genuine")
    func neverLaxer() async throws {
        let bench = try OpenSSHWorkbench()
        var certificates = try RandomCertificates(seed: 12, rsa: await bench.key("rsa", ["-t", "rsa", "-b", "2048"]))
        var lines: [String] = []
        var accepted: [Int: SSHCertificate] = [:]
        for _ in 0..<200 {
            let blob = try TestKey("ca").certify(try certificates.next()).blob
            for _ in 0..<20 {
                let damaged = certificates.generator.mutated(blob)
                var reader = ByteReader(damaged)
                guard let name = try? reader.text(limit: 64), name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
                    continue
                }
                if let read = try? SSHCertificate(blob: damaged) {
                    #expect(read.blob == damaged)
                    if read.isGenuine { accepted[lines.count] = read }
                }
                lines.append(name + " " + Base64.encode(damaged))
            }
        }
        let listed = try await bench.listing(lines)
        #expect(listed.contains { $0 == nil })
        for (index, certificate) in accepted { #expect(listed[index] == certificate.listing) }
    }

    @Test("we read 2000 certificates of ssh-keygen -s as ssh-keygen -L does", arguments: ["ed25519", "ecdsa", "rsa"])
    func weReadTheirs(authority: String) async throws {
        let bench = try OpenSSHWorkbench()
        let rsa = try await bench.key("subject-rsa", ["-t", "rsa", "-b", "2048"])
        let ecdsa = try await bench.key("subject-ecdsa", ["-t", "ecdsa", "-b", "256"])
        _ = try await bench.key("ca", ["-t", authority])
        var random = try RandomCertificates(seed: 13, rsa: rsa)
        var lines: [String] = []
        for batch in 0..<14 {
            var files: [String] = []
            for index in 0..<50 {
                let key = index == 0 ? rsa : index == 1 ? ecdsa : try TestKey("\(batch)-\(index)").ssh
                let name = "s\(batch)-\(index)"
                try bench.write(name + ".pub", key.line + " comment\n")
                files.append(name)
            }
            let options = Self.signing(batch, random.text(1...40, "abc xyz/@019"))
            let arguments = ["-q", "-s", "ca"] + options + files.map { $0 + ".pub" }
            let result = try await bench.keygen(arguments)
            try #require(result.succeeded, "\(result.errorText)")
            for file in files { lines.append(String(try bench.text(file + "-cert.pub").split(separator: "\n")[0])) }
        }
        let listed = try await bench.listing(lines)
        for (line, listing) in zip(lines, listed) {
            let certificate = try SSHCertificate(line: line)
            #expect(certificate.isGenuine)
            #expect(certificate.listing == listing)
            #expect(line.hasPrefix(certificate.line + " "))
        }
    }

    /// Arguments of `ssh-keygen -s`, different in each batch.
    private static func signing(_ batch: Int, _ keyID: String) -> [String] {
        var arguments = ["-I", keyID, "-z", "+\(batch * 1000 + 1)"]
        arguments += ["-n", (0...batch % 3).map { "name\($0)" }.joined(separator: ",")]
        arguments += ["-V", ["always:forever", "20200101:20300101", "-5m:+1h", "always:20300101"][batch % 4]]
        if batch % 5 == 4 { return arguments + ["-h"] }
        let options = [
            "force-command=ls -l /", "source-address=10.0.0.0/8,2001:db8::/32,192.0.2.1", "verify-required", "clear",
            "extension:statement@muster={\"a\":1}", "critical:must@example.com=yes", "no-x11-forwarding", "no-pty",
            "no-touch-required", "extension:flag@example.com",
        ]
        for (index, option) in options.enumerated() where (batch * 7 + index * 3) % 5 < 2 {
            arguments += ["-O", option]
        }
        return arguments
    }

    @Test("a private key file of ours is read by ssh-keygen, and one of its own is written by us as it was")
    func privateKeyFiles() async throws {
        let bench = try OpenSSHWorkbench()
        for number in 0..<20 {
            let key = try TestKey("private \(number)").sshPrivate
            let comment = String(repeating: "c", count: number)
            let file = try SSHPrivateKeyFile(key: key, comment: comment, check: UInt32(number))
            try bench.write("ours\(number)", String(decoding: file.text, as: UTF8.self))
            #expect(try await bench.keygen(["-y", "-f", "ours\(number)"]).succeeded == false, "others may read it")
            #expect(chmod(bench.folder.file("ours\(number)"), 0o600) == 0)
            let shown = try await bench.keygen(["-y", "-f", "ours\(number)"]).outputText
            #expect(shown == key.publicKey.line + (comment.isEmpty ? "" : " " + comment) + "\n")
            let theirs = try await bench.key("theirs\(number)", ["-t", "ed25519"])
            let read = try SSHPrivateKeyFile(text: try #require(try bench.folder.read("theirs\(number)")))
            #expect(read.key.publicKey == theirs)
            #expect(read.comment == "theirs\(number)")
            #expect(read.text == (try bench.folder.read("theirs\(number)")))
        }
    }
}
