import ByteCoding

/// Where the parts of an rpm file are (version 4 of the format).
///
/// ```
/// 0        lead               96 bytes: ED AB EE DB, major 3 or 4, kind 0 (binary), …, signature kind 5
/// 96       signature header   filled up with zeros to a multiple of 8
/// H        header
/// P        payload            a compressed cpio archive, to the end
/// ```
/// Sizes are read from at most 112 bytes at a time, so that nothing is allocated before it is known to be bounded.
public enum RPMLayout {
    /// Bytes of the lead.
    public static let leadLength = 96
    /// Bytes at the beginning of a header that say how long it is.
    public static let introLength = 16
    /// What every rpm file begins with.
    public static let magic: [UInt8] = [0xED, 0xAB, 0xEE, 0xDB]

    /// Where the header begins, from the file's first 112 bytes: the lead and the signature header's intro.
    public static func headerOffset(_ start: [UInt8]) throws(RPMPackageError) -> Int {
        guard start.count >= leadLength + introLength else {
            throw RPMPackageError(location: "lead", reason: "the file ends within it")
        }
        try checkLead(start[..<leadLength])
        let length = try RPMHeader.length(start[leadLength...].prefix(introLength), .signature)
        return leadLength + (length + 7) / 8 * 8
    }

    /// Where the payload begins, from the header's offset and its first 16 bytes.
    public static func payloadOffset(headerOffset: Int, _ intro: [UInt8]) throws(RPMPackageError) -> Int {
        headerOffset + (try RPMHeader.length(intro[...], .main))
    }

    private static func checkLead(_ lead: ArraySlice<UInt8>) throws(RPMPackageError) {
        let lead = Array(lead)
        guard lead.starts(with: magic) else { throw RPMPackageError(location: "lead", reason: "is not an rpm's") }
        guard (3...4).contains(lead[4]) else {
            throw RPMPackageError(location: "lead", reason: "format version \(lead[4]) is unknown")
        }
        guard lead[6] == 0, lead[7] == 0 else {
            throw RPMPackageError(location: "lead", reason: "is not a binary package's")
        }
        guard lead[78] == 0, lead[79] == 5 else {
            throw RPMPackageError(location: "lead", reason: "the kind of signature is unknown")
        }
    }
}
