import Glibc

/// One line to the machine's log, in the form that syslog(3) gives it, without waiting for anybody.
///
/// Written by hand so that a short-lived program pays one system call, and tests can name another socket.
public enum SystemLog {
    /// Where the machine's log listens.
    public static let usual = "/dev/log"
    /// Most bytes of a line.
    public static let limit = 2000

    /// How serious a line is.
    public enum Severity: Int, Sendable {
        case warning = 4
        case notice = 5
        case info = 6
    }

    /// Sends a line to the log's facility for logins (authpriv); a machine without a log loses it.
    public static func write(_ text: String, program: String, severity: Severity, socket path: String = usual) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let line = Array(
            "<\(10 << 3 | severity.rawValue)>\(moment()) \(program)[\(getpid())]: \(plain(text))".utf8.prefix(limit)
        )
        withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                _ = sendto(
                    descriptor,
                    line,
                    line.count,
                    Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL),
                    address,
                    socklen_t(MemoryLayout<sockaddr_un>.size)
                )
            }
        }
    }

    /// The text on one line: what came from a certificate must not look like another line of the log.
    static func plain(_ text: String) -> String {
        String(decoding: text.utf8.map { $0 < 0x20 || $0 == 0x7F ? UInt8(ascii: "?") : $0 }, as: UTF8.self)
    }

    /// `Nov 23 04:43:54`, local time.
    private static func moment() -> String {
        var now = time(nil)
        var parts = tm()
        localtime_r(&now, &parts)
        var buffer = [CChar](repeating: 0, count: 32)
        let count = strftime(&buffer, buffer.count, "%b %e %H:%M:%S", &parts)
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
