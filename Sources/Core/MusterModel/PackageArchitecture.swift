/// The one vocabulary of architectures that a fleet has: Debian's, `amd64`, `arm64`, …, and `all`.
///
/// Formats name the same machines differently. Releases, reports and rollouts compare architectures as texts, so each other
/// name is translated where it comes in.
public enum PackageArchitecture {
    /// What fits every machine.
    public static let all = "all"

    /// The fleet's word for a format's word, or the kernel's: `x86_64` is `amd64`, `noarch` is `all`.
    ///
    /// A word that is not known stays what it is.
    public static func common(_ word: String) -> String { table[word] ?? word }

    private static let table = [
        "x86_64": "amd64", "x64": "amd64", "aarch64": "arm64", "armv7": "armhf", "armv7l": "armhf", "armv7hl": "armhf",
        "armv7hnl": "armhf", "armv6": "armel", "armv6l": "armel", "armv5tel": "armel", "i486": "i386", "i586": "i386",
        "i686": "i386", "athlon": "i386", "386": "i386", "ppc64le": "ppc64el", "loongarch64": "loong64",
        "noarch": all, "any": all, "": all,
    ]
}
