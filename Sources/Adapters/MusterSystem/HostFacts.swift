import ByteCoding
import Glibc

/// What this machine is.
public struct HostFacts: Equatable, Sendable {
    /// `uname -n`.
    public var hostName: String
    /// `PRETTY_NAME` of os-release, such as `Debian GNU/Linux 12 (bookworm)`.
    public var osRelease: String
    /// `uname -r`.
    public var kernel: String
    /// `uname -m`, such as `x86_64`.
    public var machine: String
    /// The kernel's id of this boot.
    public var bootID: String
    /// Seconds since the boot.
    public var uptimeSeconds: Int64

    /// Reads the facts below `root`, `/` unless the node owns a private root; what is missing is empty.
    public static func read() -> HostFacts {
        let name = systemName()
        return HostFacts(
            hostName: name.host,
            osRelease: osRelease(),
            kernel: name.release,
            machine: name.machine,
            bootID: bootID(),
            uptimeSeconds: Int64(firstLine("/proc/uptime").prefix { $0 != "." }) ?? 0
        )
    }

    /// The kernel's id of this boot.
    public static func bootID() -> String { firstLine("/proc/sys/kernel/random/boot_id") }

    /// The value of `PRETTY_NAME` in the text of an os-release(5) file, as much of it as a report takes.
    static func prettyName(_ text: String) -> String? { wholePrettyName(text)?.bounded(256) }

    private static func wholePrettyName(_ text: String) -> String? {
        for line in text.split(separator: "\n") where line.hasPrefix("PRETTY_NAME=") {
            let value = line.dropFirst("PRETTY_NAME=".count)
            guard let quote = value.first, quote == "\"" || quote == "'", value.last == quote, value.count > 1 else {
                return String(value)
            }
            return String(value.dropFirst().dropLast())
        }
        return nil
    }

    private static func osRelease() -> String {
        for path in ["/etc/os-release", "/usr/lib/os-release"] {
            if let bytes = try? BoundedFile.read(path, limit: 65536),
                let name = prettyName(String(decoding: bytes, as: UTF8.self))
            {
                return name
            }
        }
        return "Linux"
    }

    private static func firstLine(_ path: String) -> String {
        guard let bytes = try? BoundedFile.read(path, limit: 4096) else { return "" }
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    private static func systemName() -> (host: String, release: String, machine: String) {
        var name = utsname()
        guard uname(&name) == 0 else { return ("", "", "") }
        func text(_ field: some Any) -> String {
            withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        }
        return (text(name.nodename), text(name.release), text(name.machine))
    }
}
