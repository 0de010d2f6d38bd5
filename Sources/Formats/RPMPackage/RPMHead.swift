import ByteCoding

/// Everything of an rpm file that comes before its payload.
public struct RPMHead: Equatable, Sendable {
    /// Which package it is.
    public let identity: RPMIdentity
    /// The compression of the payload: `gzip`, `bzip2`, `xz`, `lzma`, `zstd`; empty for none.
    public let compression: String
    /// The SHA-256 of the header as the signature header states it; nil in packages of rpm before 4.14.
    public let headerDigest: [UInt8]?
    /// The SHA-256 of the compressed payload; nil where the header states none.
    public let payloadDigest: [UInt8]?
    /// Where the header is within the file.
    public let headerRange: Range<Int>

    /// Where the payload begins.
    public var payloadOffset: Int { headerRange.upperBound }

    /// Reads the bytes from the file's beginning to its payload, exactly.
    public init(parsing bytes: [UInt8]) throws(RPMPackageError) {
        let start = try RPMLayout.headerOffset(Array(bytes.prefix(RPMLayout.leadLength + RPMLayout.introLength)))
        guard start + RPMLayout.introLength <= bytes.count else {
            throw RPMPackageError(location: "signature header", reason: "the file ends within it")
        }
        let intro = Array(bytes[start..<(start + RPMLayout.introLength)])
        guard try RPMLayout.payloadOffset(headerOffset: start, intro) == bytes.count else {
            throw RPMPackageError(location: "header", reason: "has another length than it says")
        }
        let signatureLength = try RPMHeader.length(
            bytes[RPMLayout.leadLength...].prefix(RPMLayout.introLength),
            .signature
        )
        let signatureEnd = RPMLayout.leadLength + signatureLength
        guard bytes[signatureEnd..<start].allSatisfy({ $0 == 0 }) else {
            throw RPMPackageError(location: "signature header", reason: "is filled up with other bytes than zeros")
        }
        let signature = try RPMHeader(parsing: bytes[RPMLayout.leadLength..<signatureEnd], .signature)
        let header = try RPMHeader(parsing: bytes[start...], .main)
        headerRange = start..<bytes.count
        headerDigest = try Self.sha256(try signature.optionalText(Tag.headerSHA256, limit: 64))
        identity = try Self.identity(header)
        guard try header.optionalText(Tag.payloadFormat, limit: 16) ?? "cpio" == "cpio" else {
            throw RPMPackageError(location: "header", reason: "the payload is not a cpio archive")
        }
        compression = try header.optionalText(Tag.payloadCompression, limit: 16) ?? "gzip"
        payloadDigest = try Self.payloadDigest(header)
    }

    private enum Tag {
        static let headerSHA256: UInt32 = 273
        static let name: UInt32 = 1000
        static let version: UInt32 = 1001
        static let release: UInt32 = 1002
        static let epoch: UInt32 = 1003
        static let system: UInt32 = 1021
        static let architecture: UInt32 = 1022
        static let sourceFile: UInt32 = 1044
        static let isSource: UInt32 = 1106
        static let payloadFormat: UInt32 = 1124
        static let payloadCompression: UInt32 = 1125
        static let payloadDigest: UInt32 = 5092
        static let payloadAlgorithm: UInt32 = 5093
    }

    private static func identity(_ header: RPMHeader) throws(RPMPackageError) -> RPMIdentity {
        guard !header.has(Tag.isSource), header.has(Tag.sourceFile) else {
            throw RPMPackageError(location: "header", reason: "is a source package's")
        }
        guard try header.text(Tag.system, limit: 16).lowercased() == "linux" else {
            throw RPMPackageError(location: "header", reason: "the package is not for Linux")
        }
        return try RPMIdentity(
            name: try header.text(Tag.name, limit: 128),
            epoch: try header.number(Tag.epoch) ?? 0,
            version: try header.text(Tag.version, limit: 128),
            release: try header.text(Tag.release, limit: 128),
            architecture: try header.text(Tag.architecture, limit: 32)
        )
    }

    private static func payloadDigest(_ header: RPMHeader) throws(RPMPackageError) -> [UInt8]? {
        // 8 is SHA-256 by OpenPGP's numbers; rpm has never written another one by itself.
        guard header.has(Tag.payloadDigest), try header.number(Tag.payloadAlgorithm) == 8 else { return nil }
        return try sha256(try header.text(Tag.payloadDigest, limit: 64))
    }

    private static func sha256(_ text: String?) throws(RPMPackageError) -> [UInt8]? {
        guard let text else { return nil }
        guard let bytes = Hex.decode(text), bytes.count == 32 else {
            throw RPMPackageError(location: "digest", reason: "is not a SHA-256 in hexadecimal digits")
        }
        return bytes
    }
}
