import ByteCoding

/// A critical option or extension of a certificate.
///
/// ```
/// string name | string data          flag: data is empty; value: data is itself one string
/// ```
public struct SSHCertificateOption: Hashable, Sendable {
    /// Most bytes of a name.
    public static let nameLimit = 128

    /// Its name, such as `permit-pty` or `statement@muster`.
    public let name: String
    /// What stands beside the name, the length of a value included.
    public let data: [UInt8]

    /// An option with data as they stand in a certificate.
    public init(name: String, data: [UInt8]) {
        self.name = name
        self.data = data
    }

    /// An option that is there or not, such as `permit-pty`.
    public static func flag(_ name: String) -> SSHCertificateOption {
        SSHCertificateOption(name: name, data: [])
    }

    /// An option with a value, such as `force-command`.
    public static func value(_ name: String, _ value: [UInt8]) -> SSHCertificateOption {
        var writer = ByteWriter(capacity: value.count + 4)
        writer.string(value)
        return SSHCertificateOption(name: name, data: writer.bytes)
    }

    /// An option with a text as its value.
    public static func value(_ name: String, _ text: String) -> SSHCertificateOption {
        value(name, Array(text.utf8))
    }

    /// The value; nil where the data are not exactly one string.
    public var value: [UInt8]? { valueRange.map { Array(data[$0]) } }

    private var valueRange: Range<Int>? {
        guard data.count >= 4 else { return nil }
        let count = Int(data[0]) << 24 | Int(data[1]) << 16 | Int(data[2]) << 8 | Int(data[3])
        return count == data.count - 4 ? 4..<data.count : nil
    }

    /// The value as text; nil where it is none.
    public var text: String? { value.flatMap { String(validating: $0, as: UTF8.self) } }

    // MARK: - Names that OpenSSH knows

    /// Critical: the command that runs whatever the user asks for.
    public static let forceCommand = "force-command"
    /// Critical: the addresses that the user may come from (`AddressBlock`s, separated by commas).
    public static let sourceAddress = "source-address"
    /// Critical: a security key must have verified the user, by PIN or fingerprint (OpenSSH 8.4).
    public static let verifyRequired = "verify-required"
    /// Extension: a security key need not be touched.
    public static let noTouchRequired = "no-touch-required"
    /// What a session may have besides a command.
    public static let permissions = [
        "permit-X11-forwarding", "permit-agent-forwarding", "permit-port-forwarding", "permit-pty", "permit-user-rc",
    ]

    /// Why sshd would not take an option of a name that it knows; nil where it would, or does not know the name.
    func obstacle(critical: Bool) -> String? {
        switch (critical, name) {
        case (true, Self.forceCommand): break
        case (true, Self.sourceAddress):
            guard valueRange != nil, AddressBlock.list(data, 4..<data.count) != nil else {
                return "'source-address' is not a list of addresses whose host bits are cleared: "
                    + "sshd would deny every login"
            }
            return nil
        case (true, Self.verifyRequired), (false, Self.noTouchRequired), (false, "permit-X11-forwarding"),
            (false, "permit-agent-forwarding"), (false, "permit-port-forwarding"), (false, "permit-pty"),
            (false, "permit-user-rc"):
            return data.isEmpty ? nil : "'\(name)' is a flag, but has a value"
        default: return nil
        }
        guard let text else { return "the value of '\(name)' is not exactly one text" }
        guard !text.isEmpty, !text.utf8.contains(0) else { return "the value of '\(name)' is empty or holds a NUL" }
        return nil
    }
}
