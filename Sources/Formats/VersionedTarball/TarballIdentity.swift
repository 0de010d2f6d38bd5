/// What a tarball says it is: the name of the one folder that everything in it is below.
///
/// ```
/// prometheus-2.45.0.linux-amd64/    prometheus, 2.45.0, amd64
/// node-v20.1.0-linux-x64/           node, 20.1.0, x64
/// site-3.1/                         site, 3.1, any architecture
/// ```
/// The version begins behind the first hyphen that a digit follows, or a `v` and a digit. Where the folder's name ends in
/// a known platform, the version ends before it.
public struct TarballIdentity: Equatable, Sendable, CustomStringConvertible {
    /// Such as `prometheus`.
    public let name: String
    /// Such as `2.45.0`.
    public let version: TarballVersion
    /// The processor as the folder's name says it, such as `x86_64`; empty where it says none.
    public let architecture: String
    /// The folder's name.
    public let folder: String

    /// Names of processors that are understood.
    public static let architectures = [
        "amd64", "x86_64", "x64", "arm64", "aarch64", "armv7", "armv6", "armhf", "i386", "i686", "386", "riscv64",
        "ppc64le", "ppc64el", "s390x",
    ]

    /// The identity that a folder's name states; nil where it states none.
    public init?(folder: String) {
        guard folder.utf8.count <= 255 else { return nil }
        let (stem, architecture) = Self.withoutPlatform(folder)
        guard let hyphen = Self.versionHyphen(stem) else { return nil }
        var text = stem[stem.index(after: hyphen)...]
        if text.first == "v" { text = text.dropFirst() }
        let name = String(stem[..<hyphen])
        guard Self.isName(name), let version = TarballVersion(String(text)) else { return nil }
        self.name = name
        self.version = version
        self.architecture = architecture
        self.folder = folder
    }

    /// `prometheus 2.45.0 amd64`.
    public var description: String { "\(name) \(version) \(architecture.isEmpty ? "any" : architecture)" }

    /// What the names of such files end in.
    public static let fileSuffixes = [
        ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.zst", ".tzst", ".tar.bz2", ".tbz2", ".tar",
    ]

    /// Two to 64 of `a-z`, `0-9`, `+`, `-`, `.`, `_`, beginning with a letter or digit.
    public static func isName(_ text: String) -> Bool {
        func isLower(_ byte: UInt8) -> Bool {
            TarballVersion.isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
        }
        guard let first = text.utf8.first, isLower(first), (2...64).contains(text.utf8.count) else { return false }
        return text.utf8.allSatisfy { isLower($0) || "+-._".utf8.contains($0) }
    }

    /// The name without `.linux-amd64`, `-x86_64-unknown-linux-gnu` and the like, and the processor that was named.
    private static func withoutPlatform(_ folder: String) -> (Substring, String) {
        for architecture in architectures {
            for platform in ["linux-\(architecture)", "linux_\(architecture)"] {
                for separator in [".", "-", "_"] where folder.hasSuffix(separator + platform) {
                    return (folder.dropLast(platform.utf8.count + 1), architecture)
                }
            }
            for suffix in ["-unknown-linux-gnu", "-unknown-linux-musl", "-linux-gnu", "-linux-musl", "-linux", ""] {
                for separator in ["-", "_", "."] where folder.hasSuffix(separator + architecture + suffix) {
                    return (folder.dropLast(architecture.utf8.count + suffix.utf8.count + 1), architecture)
                }
            }
        }
        return (folder[...], "")
    }

    private static func versionHyphen(_ text: Substring) -> Substring.Index? {
        text.indices.first { index in
            guard text[index] == "-" else { return false }
            var rest = text[text.index(after: index)...].utf8
            if rest.first == UInt8(ascii: "v") { rest = rest.dropFirst() }
            return rest.first.map(TarballVersion.isDigit) ?? false
        }
    }
}
