import Glibc

/// What a service tells systemd by `$NOTIFY_SOCKET`; nothing happens where systemd did not start it (sd_notify(3)).
public enum ServiceNotification {
    /// Whether systemd started this process and waits to be told.
    public static var isExpected: Bool { environment("NOTIFY_SOCKET") != nil }

    /// The service does its work now.
    public static func ready(status: String? = nil) {
        send("READY=1" + (status.map { "\nSTATUS=\(oneLine($0))" } ?? ""))
    }

    /// The service ends.
    public static func stopping() {
        send("STOPPING=1")
    }

    /// The service is alive; due at least every `watchdogInterval`.
    public static func watchdog() {
        send("WATCHDOG=1")
    }

    /// One line for `systemctl status`.
    public static func status(_ text: String) {
        send("STATUS=" + oneLine(text))
    }

    /// The text without newlines, each of which would begin another variable.
    ///
    /// By scalars: CR LF is one character, which is no newline.
    static func oneLine(_ text: String) -> String {
        text.unicodeScalars.split { $0 == "\n" || $0 == "\r" }.map { String($0) }.joined(separator: " ")
    }

    /// Half the time after which systemd restarts a silent service, or nil where it does not watch.
    public static func watchdogInterval() -> Duration? {
        guard let text = environment("WATCHDOG_USEC"), let microseconds = Int64(text), microseconds > 0 else {
            return nil
        }
        if let process = environment("WATCHDOG_PID"), process != String(getpid()) { return nil }
        return .microseconds(microseconds / 2)
    }

    /// Sends one datagram; a notification that cannot be sent is not worth an error.
    static func send(_ message: String) {
        guard let path = environment("NOTIFY_SOCKET"), path.hasPrefix("/") || path.hasPrefix("@") else { return }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(path.utf8)
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        if name[0] == UInt8(ascii: "@") { name[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
        let bytes = Array(message.utf8)
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                _ = sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), generic, length)
            }
        }
    }

    private static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }
}
