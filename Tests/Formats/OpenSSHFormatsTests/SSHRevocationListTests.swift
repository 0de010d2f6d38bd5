import ByteCoding
import MusterTestSupport
import OpenSSHFormats
import Testing

@Suite struct SSHRevocationListTests {
    private let date = UTCTime(seconds: 1_700_000_000)

    private func list(_ serials: SerialSet, keyIDs: Set<String> = []) throws -> SSHRevocationList {
        let named = SSHRevocations.Certificates(serials: serials, keyIDs: Set(keyIDs.map { Array($0.utf8) }))
        return try SSHRevocations(certificates: [try TestKey("ca").ssh: named]).list(version: 3, date: date)
    }

    private func parts(_ list: SSHRevocationList) -> [SSHRevocationList.CertificatePart] {
        guard case .certificates(_, let parts)? = list.sections.first else { return [] }
        return parts
    }

    @Test("ranges, bitmaps and lists are chosen where each costs least")
    func chooses() throws {
        #expect(parts(try list(SerialSet([1...100_000]))) == [.range(1...100_000)])
        #expect(parts(try list(SerialSet(serials: [5, 1 << 40]))) == [.serials([5, 1 << 40])])
        #expect(parts(try list(SerialSet(serials: [8, 10, 12, 14, 16]))) == [.bitmap(offset: 8, bits: [1, 0x55])])
        let mixed = SerialSet([1...50_000, 60_000...60_000, 60_002...60_002, 60_004...60_009, 900_000...900_000])
        #expect(
            parts(try list(mixed)) == [
                .serials([60_000, 60_002, 900_000]), .range(1...50_000), .range(60_004...60_009),
            ]
        )
    }

    @Test("the empty list is the shortest, and revokes nothing")
    func empty() throws {
        let list = try SSHRevocations().list(version: 1, date: date)
        #expect(list.bytes.count == 44)
        #expect(try SSHRevocationList(bytes: list.bytes) == list)
        #expect(list.finding(for: try TestCertificate(try TestKey("a").ssh, time: date).signed) == nil)
    }

    @Test(
        "any set of serials comes back from its list, which is no longer than any one way alone",
        arguments: 0..<UInt64(200)
    )
    func anySet(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let spread: UInt64 = [50, 1000, 100_000, .max].randomElement(using: &generator) ?? 50
        var ranges: [ClosedRange<UInt64>] = []
        for _ in 0..<Int.random(in: 1...300, using: &generator) {
            let first = generator.next() % spread
            let length = generator.next() % (seed % 2 == 0 ? 40 : 2)
            ranges.append(first...(first.addingReportingOverflow(length).overflow ? .max : first + length))
        }
        let serials = SerialSet(ranges)
        guard !serials.isEmpty else { return }
        let list = try list(serials)
        let again = try SSHRevocationList(bytes: list.bytes)
        #expect(again == list)
        #expect(again.serials(of: try TestKey("ca").ssh) == serials)
        let empty = 44 + 5 + 4 + 51 + 4
        #expect(list.bytes.count <= empty + 21 * serials.ranges.count)
        if serials.count < 10_000 { #expect(list.bytes.count <= empty + 5 + 8 * Int(serials.count)) }
        #expect(try self.list(SerialSet(ranges.shuffled(using: &generator))).bytes == list.bytes)
    }

    /// 100,000 serials or so, of which each follows the one before with this probability in tenths.
    private func scattered(_ tenths: Int, seed: UInt64, step: UInt64 = 1) -> SerialSet {
        var generator = SeededGenerator(seed: seed)
        var serials: [UInt64] = []
        var serial: UInt64 = 0
        while serials.count < 100_000 {
            serial += step
            if Int.random(in: 0..<10, using: &generator) < tenths { serials.append(serial) }
        }
        return SerialSet(serials: serials)
    }

    /// What sshd does to unpack a list, in insertions into its tree.
    private func work(_ list: SSHRevocationList) -> Int {
        parts(list).reduce(0) { sum, part in
            switch part {
            case .serials(let serials): sum + serials.count
            case .range: sum + 1
            case .bitmap(_, let bits): sum + bits.reduce(0) { $0 + $1.nonzeroBitCount }
            case .keyIDs(let keyIDs): sum + keyIDs.count
            }
        }
    }

    @Test(
        "with one certificate in ten still good, 100,000 revocations stay below 64 kB and cost half the work of bitmaps"
    )
    func scatteredGaps() throws {
        for seed in 1...3 as ClosedRange<UInt64> {
            let serials = scattered(9, seed: seed)
            let list = try list(serials)
            #expect(list.bytes.count <= SSHRevocations.sizeGoal && list.bytes.count < 64 * 1024)
            #expect(list.bytes.count > SSHRevocations.sizeGoal - 4000, "the size that is there is used")
            #expect(work(list) < 50_000, "\(work(list)) of \(serials.count)")
            #expect(try SSHRevocationList(bytes: list.bytes).serials(of: try TestKey("ca").ssh) == serials)
        }
    }

    @Test("every second serial, and serials far apart, take the fewest bytes that there are where those are many")
    func scatteredSerials() throws {
        let halves = scattered(5, seed: 5)
        let list = try list(halves)
        #expect(list.bytes.count <= SSHRevocations.sizeGoal)
        #expect(list.serials(of: try TestKey("ca").ssh) == halves)
        let apart = scattered(9, seed: 6, step: 1000)
        let long = try self.list(apart)
        #expect(parts(long) == [.serials(apart.ranges.map(\.lowerBound))])
        let alternate = SerialSet(serials: stride(from: 2, to: 900_000, by: 2))
        let bits = try self.list(alternate)
        #expect(bits.bytes.count < 900_000 / 8 + 56 * 32)
        #expect(bits.serials(of: try TestKey("ca").ssh) == alternate)
    }

    @Test("a certificate is found by serial, key ID, its own key and its CA's key, each of the right CA")
    func finds() throws {
        var template = TestCertificate(try TestKey("holder").ssh, time: date)
        template.authority = TestKey("ca")
        template.serial = 7
        template.keyID = "ada"
        let certificate = try template.signed
        #expect(try list(SerialSet(serials: [7])).finding(for: certificate) == .serial)
        #expect(try list(SerialSet(serials: [8])).finding(for: certificate) == nil)
        #expect(try list(SerialSet(serials: []), keyIDs: ["ada"]).finding(for: certificate) == .keyID)
        #expect(try list(SerialSet(serials: []), keyIDs: ["Ada"]).finding(for: certificate) == nil)
        template.authority = TestKey("other ca")
        #expect(try list(SerialSet(serials: [7]), keyIDs: ["ada"]).finding(for: try template.signed) == nil)
        func keys(_ names: String...) throws -> SSHRevocationList {
            try SSHRevocations(keys: Set(try names.map { try TestKey($0).ssh })).list(version: 1, date: date)
        }
        #expect(try keys("x", "holder").finding(for: certificate) == .key)
        #expect(try keys("ca").finding(for: certificate) == .authority)
        #expect(try keys("other ca").finding(for: certificate) == nil)
        #expect(try keys("holder").revokes(try TestKey("holder").ssh))
    }

    @Test("serial 0, an empty or backward range, an unknown section and trailing bytes are refused")
    func refuses() throws {
        let authority = try TestKey("ca").ssh
        func refused(_ part: SSHRevocationList.CertificatePart) -> Bool {
            let sections: [SSHRevocationList.Section] = [.certificates(authority: authority, [part])]
            return (try? SSHRevocationList(version: 1, date: 1, comment: "", sections: sections)) == nil
        }
        #expect(refused(.serials([1, 0])))
        #expect(refused(.serials([])))
        #expect(refused(.range(0...5)))
        #expect(refused(.bitmap(offset: 0, bits: [1])))
        #expect(!refused(.bitmap(offset: 0, bits: [2])))
        #expect(refused(.bitmap(offset: .max, bits: [2])))
        #expect(refused(.bitmap(offset: 1, bits: [0, 1])))
        #expect(refused(.bitmap(offset: 1, bits: [UInt8](repeating: 1, count: 2049))))
        #expect(refused(.keyIDs([""])))
        let bytes = try list(SerialSet(serials: [1])).bytes
        #expect(throws: SSHFormatError.self) { try SSHRevocationList(bytes: bytes + [0]) }
        for section: [UInt8] in [[4, 0, 0, 0, 0], [255, 0, 0, 0, 0], [0x39, 0, 0, 0, 0]] {
            #expect(throws: SSHFormatError.self) { try SSHRevocationList(bytes: bytes + section) }
        }
        #expect(SerialSet([0...3]).ranges == [1...3])
        #expect(SerialSet([0...0]).isEmpty)
    }

    @Test("whatever a damaged list parses to is written as it was read")
    func survivesMutation() throws {
        var revocations = SSHRevocations(keys: [try TestKey("a").ssh])
        revocations.certificates[try TestKey("ca").ssh] = SSHRevocations.Certificates(
            serials: SerialSet([1...1, 3...3, 5...5, 7...90, 1000...1000]),
            keyIDs: [Array("one".utf8), Array("two".utf8)]
        )
        let bytes = try revocations.list(version: 1, date: date, comment: "comment").bytes
        Mutations.of(bytes, count: 3000) { damaged in
            if let list = try? SSHRevocationList(bytes: damaged) { #expect(list.bytes == damaged) }
        }
    }
}
