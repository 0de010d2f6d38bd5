import ByteCoding
import SignatureVerification

/// A key revocation list (OpenSSH's PROTOCOL.krl), section by section as it is written.
///
/// ```
/// "SSHKRL\n\0" | u32 1 | u64 version | u64 date | u64 flags 0 | string reserved "" | string comment | {byte section, string data}*
/// 1 certificates: string CA key ("" for any) | string reserved "" | {0x20 u64* | 0x21 u64 u64 | 0x22 u64 mpint | 0x23 string*}
/// 2 keys: string* | 3 SHA-1 of keys: string* | 5 SHA-256 of keys: string*
/// ```
/// Serial 0, empty lists, extension and signature sections are neither written nor read: OpenSSH 9.2 takes a file with any
/// of them for broken, and a broken file makes sshd refuse every public key. A TUF target carries the signature.
public struct SSHRevocationList: Hashable, Sendable {
    /// Most bytes of a list.
    public static let byteLimit = 8 * 1024 * 1024
    /// Most bytes of a comment.
    public static let commentLimit = 1024

    /// One way to name certificates of a CA.
    public enum CertificatePart: Hashable, Sendable {
        /// By serial.
        case serials([UInt64])
        /// By serial, both ends included.
        case range(ClosedRange<UInt64>)
        /// By serial: bit n, counted from the last byte's lowest, is serial `offset` + n. No leading zero byte.
        case bitmap(offset: UInt64, bits: [UInt8])
        /// By key ID.
        case keyIDs([String])
    }

    /// What a section revokes.
    public enum Section: Hashable, Sendable {
        /// Certificates of a CA, or of any CA.
        case certificates(authority: SSHPublicKey?, [CertificatePart])
        /// Keys by their wire encoding, of kinds that may be unknown here.
        case keys([[UInt8]])
        /// Keys by SHA-1 of their wire encoding.
        case sha1([[UInt8]])
        /// Keys by SHA-256 of their wire encoding; never that of a certificate.
        case sha256([[UInt8]])
    }

    /// Rises with each list.
    public let version: UInt64
    /// When it was made, in seconds since 1970.
    public let date: UInt64
    /// Anything.
    public let comment: String
    /// What is revoked.
    public let sections: [Section]

    /// A list of these parts; the error says which part no list may have.
    public init(version: UInt64, date: UInt64, comment: String, sections: [Section]) throws(SSHFormatError) {
        guard comment.utf8.count <= Self.commentLimit, !comment.utf8.contains(0) else {
            throw SSHFormatError(Self.subject, "its comment is too long or holds a NUL")
        }
        self.version = version
        self.date = date
        self.comment = comment
        self.sections = sections
        for section in sections { try section.check() }
    }

    /// Parses a list.
    public init(bytes: [UInt8]) throws(SSHFormatError) {
        self = try SSHFormatError.reading(Self.subject, bytes, limit: Self.byteLimit) { reader in
            guard try reader.bytes(Self.magic.count) == Self.magic else {
                throw SSHFormatError(Self.subject, "does not begin with SSHKRL")
            }
            let format = try reader.uint32()
            guard format == 1 else { throw SSHFormatError(Self.subject, "format \(format) is not 1") }
            let (version, date) = (try reader.uint64(), try reader.uint64())
            guard try reader.uint64() == 0 else { throw SSHFormatError(Self.subject, "has flags") }
            guard try reader.string(limit: 0).isEmpty else {
                throw SSHFormatError(Self.subject, "reserved is not empty")
            }
            let comment = try reader.text(limit: Self.commentLimit)
            var sections: [Section] = []
            while reader.remaining > 0 {
                let type = try reader.byte()
                sections.append(try Section(type, try reader.string(limit: Self.byteLimit)))
            }
            return try SSHRevocationList(version: version, date: date, comment: comment, sections: sections)
        }
    }

    /// The file's bytes.
    public var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 4096)
        writer.raw(Self.magic)
        writer.uint32(1)
        writer.uint64(version)
        writer.uint64(date)
        writer.uint64(0)
        writer.uint32(0)
        writer.string(comment)
        for section in sections {
            writer.byte(section.type)
            writer.string(section.data)
        }
        return writer.bytes
    }

    static let subject = "SSH revocation list"
    private static let magic = Array("SSHKRL\n\0".utf8)
}
