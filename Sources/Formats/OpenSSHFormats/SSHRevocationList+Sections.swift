import ByteCoding

extension SSHRevocationList.Section {
    init(_ type: UInt8, _ data: [UInt8]) throws {
        switch type {
        case 1: self = try Self.certificates(data)
        case 2: self = .keys(try Self.strings(data, limit: SSHCertificate.byteLimit))
        case 3: self = .sha1(try Self.strings(data, limit: 20))
        case 5: self = .sha256(try Self.strings(data, limit: 32))
        default: throw SSHFormatError(SSHRevocationList.subject, "section \(type) is not accepted")
        }
    }

    var type: UInt8 {
        switch self {
        case .certificates: 1
        case .keys: 2
        case .sha1: 3
        case .sha256: 5
        }
    }

    var data: [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .certificates(let authority, let parts):
            writer.string(authority?.blob ?? [])
            writer.uint32(0)
            for part in parts {
                writer.byte(part.type)
                writer.string(part.data)
            }
        case .keys(let strings), .sha1(let strings), .sha256(let strings):
            for string in strings { writer.string(string) }
        }
        return writer.bytes
    }

    func check() throws(SSHFormatError) {
        switch self {
        case .certificates(_, let parts): for part in parts { try part.check() }
        case .keys(let keys):
            for key in keys where key.isEmpty { throw SSHFormatError(SSHRevocationList.subject, "lists an empty key") }
        case .sha1(let hashes): try Self.check(hashes, length: 20)
        case .sha256(let hashes): try Self.check(hashes, length: 32)
        }
    }

    private static func check(_ hashes: [[UInt8]], length: Int) throws(SSHFormatError) {
        for hash in hashes where hash.count != length {
            throw SSHFormatError(SSHRevocationList.subject, "lists a hash of \(hash.count) bytes, not \(length)")
        }
    }

    private static func certificates(_ data: [UInt8]) throws -> SSHRevocationList.Section {
        var reader = ByteReader(data)
        let authority = try reader.string(limit: SSHPublicKey.blobLimit)
        guard try reader.string(limit: 0).isEmpty else {
            throw SSHFormatError(SSHRevocationList.subject, "reserved of a section is not empty")
        }
        var parts: [SSHRevocationList.CertificatePart] = []
        while reader.remaining > 0 {
            let type = try reader.byte()
            let part = try reader.string(limit: SSHRevocationList.byteLimit)
            parts.append(try SSHRevocationList.CertificatePart(type, part))
        }
        return .certificates(authority: authority.isEmpty ? nil : try SSHPublicKey(blob: authority), parts)
    }

    private static func strings(_ data: [UInt8], limit: Int) throws -> [[UInt8]] {
        var reader = ByteReader(data)
        var strings: [[UInt8]] = []
        while reader.remaining > 0 { strings.append(try reader.string(limit: limit)) }
        return strings
    }
}

extension SSHRevocationList.CertificatePart {
    /// Most bytes of a key ID in a list: those that others issued may be longer than ours.
    private static let keyIDLimit = 65536

    init(_ type: UInt8, _ data: [UInt8]) throws {
        var reader = ByteReader(data)
        switch type {
        case 0x20:
            var serials: [UInt64] = []
            serials.reserveCapacity(data.count / 8)
            while reader.remaining > 0 { serials.append(try reader.uint64()) }
            self = .serials(serials)
        case 0x21:
            let (low, high) = (try reader.uint64(), try reader.uint64())
            guard low <= high else {
                throw SSHFormatError(SSHRevocationList.subject, "range \(low) to \(high) is empty")
            }
            self = .range(low...high)
        case 0x22:
            let offset = try reader.uint64()
            let limit = Int(SerialSet.bitmapLimit / 8)
            self = .bitmap(offset: offset, bits: try MultiplePrecisionInteger.read(&reader, limit: limit))
        case 0x23:
            var keyIDs: [String] = []
            while reader.remaining > 0 { keyIDs.append(try reader.text(limit: Self.keyIDLimit)) }
            self = .keyIDs(keyIDs)
        default: throw SSHFormatError(SSHRevocationList.subject, "certificate section \(type) is not accepted")
        }
        try reader.end()
    }

    var type: UInt8 {
        switch self {
        case .serials: 0x20
        case .range: 0x21
        case .bitmap: 0x22
        case .keyIDs: 0x23
        }
    }

    var data: [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .serials(let serials): for serial in serials { writer.uint64(serial) }
        case .range(let range):
            writer.uint64(range.lowerBound)
            writer.uint64(range.upperBound)
        case .bitmap(let offset, let bits):
            writer.uint64(offset)
            MultiplePrecisionInteger.write(bits, to: &writer)
        case .keyIDs(let keyIDs): for keyID in keyIDs { writer.string(keyID) }
        }
        return writer.bytes
    }

    func check() throws(SSHFormatError) {
        let subject = SSHRevocationList.subject
        switch self {
        case .serials(let serials):
            guard !serials.isEmpty, !serials.contains(0) else {
                throw SSHFormatError(subject, "lists no serial or serial 0")
            }
        case .range(let range):
            guard range.lowerBound > 0 else { throw SSHFormatError(subject, "a range begins at serial 0") }
        case .bitmap(let offset, let bits): try Self.check(offset, bits)
        case .keyIDs(let keyIDs):
            let isFit: (String) -> Bool = { !$0.isEmpty && $0.utf8.count <= Self.keyIDLimit && !$0.utf8.contains(0) }
            guard !keyIDs.isEmpty, keyIDs.allSatisfy(isFit) else {
                throw SSHFormatError(subject, "lists no key ID, or one that is empty, too long or holds a NUL")
            }
        }
    }

    private static func check(_ offset: UInt64, _ bits: [UInt8]) throws(SSHFormatError) {
        let subject = SSHRevocationList.subject
        guard let first = bits.first, first != 0, bits.count <= Int(SerialSet.bitmapLimit / 8) else {
            throw SSHFormatError(subject, "a bitmap is empty, too long or begins with a zero byte")
        }
        let highest = UInt64(MultiplePrecisionInteger.bitCount(bits) - 1)
        guard offset > 0 || bits[bits.count - 1] & 1 == 0, !offset.addingReportingOverflow(highest).overflow else {
            throw SSHFormatError(subject, "a bitmap names serial 0, or one that no number of 64 bits can hold")
        }
    }
}
