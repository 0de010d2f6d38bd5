import ByteCoding
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import Testing

extension OpenSSHAgreementTests {
    /// Thirty certificates of two CAs, each in a file of its own, with what is known of them.
    private struct Issued {
        let bench: OpenSSHWorkbench
        let certificates: [SSHCertificate]
        let files: [String]
        let authorities = [TestKey("ca one"), TestKey("ca two")]

        init() throws {
            bench = try OpenSSHWorkbench()
            var certificates: [SSHCertificate] = []
            var files: [String] = []
            let serials: [UInt64] = [
                1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 40, 41, 99, 100, 101, 16_384, 16_385, 20_000, 70_000, 1 << 40, .max - 1,
                .max,
            ]
            for (index, serial) in serials.enumerated() {
                var certificate = TestCertificate(
                    try TestKey("holder \(index % 7)").ssh,
                    time: UTCTime(seconds: 1_700_000_000)
                )
                certificate.authority = authorities[index % 2]
                certificate.serial = serial
                certificate.keyID = "id \(index % 5)"
                let signed = try certificate.signed
                certificates.append(signed)
                files.append("c\(index)")
                try bench.write("c\(index)", signed.line + " c\n")
            }
            self.certificates = certificates
            self.files = files
            for (index, authority) in authorities.enumerated() {
                try bench.write("ca\(index).pub", try authority.ssh.line + "\n")
            }
        }

        /// Which of the files `ssh-keygen -Q` calls revoked.
        func revoked(by list: String) async throws -> [Bool] {
            let result = try await bench.keygen(["-Q", "-f", list] + files)
            let answers = result.outputText.split(separator: "\n")
            try #require(answers.count == files.count, "\(result.outputText)\(result.errorText)")
            return answers.map { $0.hasSuffix(": REVOKED") }
        }
    }

    @Test("ssh-keygen -Q finds in 120 revocation lists of ours exactly what we revoked")
    func keygenQueriesOurs() async throws {
        let issued = try Issued()
        var generator = SeededGenerator(seed: 21)
        var found = 0
        for number in 0..<120 {
            var revocations = SSHRevocations()
            for authority in issued.authorities where Bool.random(using: &generator) {
                revocations.certificates[try authority.ssh] = SSHRevocations.Certificates(
                    serials: Self.serials(&generator),
                    keyIDs: Set(
                        (0..<5).filter { _ in Int.random(in: 0..<4, using: &generator) == 0 }
                            .map { Array("id \($0)".utf8) }
                    )
                )
            }
            for holder in 0..<7 where Int.random(in: 0..<8, using: &generator) == 0 {
                revocations.keys.insert(try TestKey("holder \(holder)").ssh)
            }
            if Int.random(in: 0..<20, using: &generator) == 0 { revocations.keys.insert(try issued.authorities[0].ssh) }
            let list = try revocations.list(
                version: UInt64(number + 1),
                date: UTCTime(seconds: 1_700_000_000),
                comment: "list \(number)"
            )
            try issued.bench.folder.write("list", list.bytes)
            #expect(try SSHRevocationList(bytes: list.bytes) == list)
            let theirs = try await issued.revoked(by: "list")
            #expect(theirs == issued.certificates.map { list.finding(for: $0) != nil }, "list \(number)")
            found += theirs.count { $0 }
        }
        #expect((200...2400).contains(found), "\(found) of 2640 revoked shows nothing")
    }

    @Test("ssh-keygen -Q finds the same in lists of 100,000 serials with gaps, in ranges, bitmaps and single serials")
    func keygenQueriesLongOnes() async throws {
        let issued = try Issued()
        var generator = SeededGenerator(seed: 24)
        var found = 0
        for number in 0..<6 {
            let first = UInt64(1 + number * 7000)
            let gone = (first..<(first + 111_000)).filter { _ in Int.random(in: 0..<10, using: &generator) > 0 }
            let named = SSHRevocations.Certificates(serials: SerialSet(serials: gone + [.max]))
            let list = try SSHRevocations(certificates: [try issued.authorities[number % 2].ssh: named]).list(
                version: UInt64(number + 1),
                date: UTCTime(seconds: 1_700_000_000)
            )
            #expect(list.bytes.count < 64 * 1024)
            try issued.bench.folder.write("long", list.bytes)
            let theirs = try await issued.revoked(by: "long")
            #expect(theirs == issued.certificates.map { list.finding(for: $0) != nil }, "list \(number)")
            found += theirs.count { $0 }
        }
        #expect((1...110).contains(found), "\(found) of 132 revoked shows nothing")
    }

    private static func serials(_ generator: inout SeededGenerator) -> SerialSet {
        var ranges: [ClosedRange<UInt64>] = []
        for _ in 0..<Int.random(in: 0...40, using: &generator) {
            let first = Int.random(in: 0..<6, using: &generator) == 0 ? generator.next() : generator.next() % 30_000
            let length = Int.random(in: 0..<3, using: &generator) == 0 ? generator.next() % 300 : 0
            ranges.append(first...(first.addingReportingOverflow(length).overflow ? .max : first + length))
        }
        return SerialSet(ranges)
    }

    @Test("we find in 120 revocation lists of ssh-keygen -k exactly what ssh-keygen -Q finds")
    func weReadTheirRevocations() async throws {
        let issued = try Issued()
        var generator = SeededGenerator(seed: 22)
        for number in 0..<120 {
            var lines: [String] = []
            for range in Self.serials(&generator).ranges {
                lines.append("serial: \(range.lowerBound)" + (range.count > 1 ? "-\(range.upperBound)" : ""))
            }
            for index in 0..<5 where Int.random(in: 0..<4, using: &generator) == 0 { lines.append("id: id \(index)") }
            for holder in 0..<7 where Int.random(in: 0..<6, using: &generator) == 0 {
                let prefix = ["key", "sha1", "sha256"][Int.random(in: 0..<3, using: &generator)]
                lines.append("\(prefix): \(try TestKey("holder \(holder)").ssh.line)")
            }
            lines.shuffle(using: &generator)
            try issued.bench.write("specification", lines.joined(separator: "\n") + "\n")
            let authority = ["ca0.pub", "ca1.pub", "none"][number % 3]
            let arguments = ["-k", "-f", "theirs", "-s", authority, "-z", "\(number + 1)", "specification"]
            let made = try await issued.bench.keygen(arguments)
            try #require(made.succeeded, "\(made.errorText)")
            let bytes = try #require(try issued.bench.folder.read("theirs"))
            let list = try SSHRevocationList(bytes: bytes)
            #expect(list.bytes == bytes)
            #expect(list.version == UInt64(number + 1))
            let theirs = try await issued.revoked(by: "theirs")
            #expect(theirs == issued.certificates.map { list.finding(for: $0) != nil }, "list \(number): \(lines)")
        }
    }

    @Test("ssh-keygen accepts 100 damaged revocation lists wherever we do, and finds the same in them")
    func neverLaxerThanKeygen() async throws {
        let issued = try Issued()
        var generator = SeededGenerator(seed: 23)
        var revocations = SSHRevocations(keys: [try TestKey("holder 3").ssh])
        for authority in issued.authorities {
            revocations.certificates[try authority.ssh] = SSHRevocations.Certificates(
                serials: SerialSet([1...2, 5...5, 9...40, 100...100, 102...102, 104...104, 99_000...99_999]),
                keyIDs: [Array("id 1".utf8)]
            )
        }
        let bytes = try revocations.list(version: 1, date: UTCTime(seconds: 1)).bytes
        var read = 0
        for _ in 0..<3000 {
            let damaged = generator.mutated(bytes)
            guard let list = try? SSHRevocationList(bytes: damaged) else { continue }
            #expect(list.bytes == damaged)
            read += 1
            guard read <= 100 else { break }
            try issued.bench.folder.write("damaged", damaged)
            let theirs = try await issued.revoked(by: "damaged")
            #expect(theirs == issued.certificates.map { list.finding(for: $0) != nil })
        }
        #expect(read > 50)
    }

    @Test("100,000 revoked of 200,000 sequential serials take less than 64 kB, and ssh-keygen reads them")
    func hundredThousand() async throws {
        let issued = try Issued()
        var generator = SeededGenerator(seed: 24)
        let authority = try issued.authorities[0].ssh
        let shuffled = (UInt64(1)...200_000).shuffled(using: &generator)
        for serials in [SerialSet([1...100_000]), SerialSet(serials: shuffled[..<100_000])] {
            #expect(serials.count == 100_000)
            let named = SSHRevocations.Certificates(serials: serials)
            let list = try SSHRevocations(certificates: [authority: named]).list(version: 1, date: UTCTime(seconds: 1))
            #expect(list.bytes.count < 64_000)
            #expect(list.serials(of: authority) == serials)
            try issued.bench.folder.write("large", list.bytes)
            let theirs = try await issued.revoked(by: "large")
            #expect(theirs == issued.certificates.map { list.finding(for: $0) != nil })
        }
    }

    @Test("bitmaps of every length around OpenSSH's largest number are read by ssh-keygen")
    func largestBitmap() async throws {
        let issued = try Issued()
        let authority = try issued.authorities[1].ssh
        for last in [16_376, 16_377, 16_383, 16_384, 16_385, 16_386, 32_768] as [UInt64] {
            let serials = SerialSet(serials: Array(stride(from: UInt64(1), to: last, by: 2)) + [last])
            let named = SSHRevocations.Certificates(serials: serials)
            let list = try SSHRevocations(certificates: [authority: named]).list(version: 1, date: UTCTime(seconds: 1))
            try issued.bench.folder.write("bitmap", list.bytes)
            let theirs = try await issued.revoked(by: "bitmap")
            #expect(theirs == issued.certificates.map { list.finding(for: $0) != nil }, "up to \(last)")
        }
    }
}
