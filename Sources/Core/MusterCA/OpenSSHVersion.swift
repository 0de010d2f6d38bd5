/// A version of OpenSSH, as `ssh -V` and an sshd's banner say it: `OpenSSH_9.2p1 Debian-2+deb12u10`.
public struct OpenSSHVersion: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The number before the dot.
    public let major: Int
    /// The number after it.
    public let minor: Int

    /// A version.
    public init(_ major: Int, _ minor: Int) {
        self.major = major
        self.minor = minor
    }

    /// Parses `OpenSSH_9.2p1…`, `SSH-2.0-OpenSSH_9.2p1…` or `9.2p1`; nil where there is no such version in it.
    public init?(_ text: String) {
        guard text.utf8.count <= 256 else { return nil }
        let mark = "OpenSSH_"
        let rest = text.firstRange(of: mark).map { text[$0.upperBound...] } ?? text[...]
        let major = rest.prefix { ("0"..."9").contains($0) }
        let after = rest[major.endIndex...]
        guard after.first == "." else { return nil }
        let minor = after.dropFirst().prefix { ("0"..."9").contains($0) }
        guard let majorNumber = Int(major), let minorNumber = Int(minor) else { return nil }
        self.init(majorNumber, minorNumber)
    }

    /// The version as people write it.
    public var description: String { "OpenSSH \(major).\(minor)" }

    /// The order of versions.
    public static func < (left: OpenSSHVersion, right: OpenSSHVersion) -> Bool {
        (left.major, left.minor) < (right.major, right.minor)
    }
}
