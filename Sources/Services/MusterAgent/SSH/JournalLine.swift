import ByteCoding
import CanonicalJSON

/// One entry of the systemd journal, as `journalctl -o json` prints it.
///
/// ```
/// {"__CURSOR": "s=…", "__REALTIME_TIMESTAMP": "1795408234000000", "MESSAGE": "Accepted publickey for …"}
/// ```
/// Only what the units of sshd wrote is asked for: another program cannot write into their name.
struct JournalLine: Hashable, Sendable {
    /// Most bytes of an entry.
    static let limit = 65536

    /// Where the entry is.
    let cursor: String
    /// When it was written.
    let time: UTCTime?
    /// What was written.
    let message: [UInt8]

    init?(_ bytes: [UInt8]) {
        guard let value = try? JSONValue.parse(bytes, limit: Self.limit), let fields = try? JSONFields(value),
            let cursor = try? fields.string("__CURSOR", limit: 1024)
        else { return nil }
        self.cursor = cursor
        time = (try? fields.string("__REALTIME_TIMESTAMP", limit: 32)).flatMap { Int64($0) }
            .map { UTCTime(milliseconds: $0 / 1000) }
        message = Self.message(fields.object["MESSAGE"])
    }

    /// What `journalctl` is started with: everything behind the cursor, or from now on.
    static func arguments(after cursor: String?) -> [String] {
        let units = ["ssh.service", "sshd.service", "ssh@*.service", "sshd@*.service"].flatMap { ["-u", $0] }
        return ["-f", "-o", "json", "--output-fields=MESSAGE"] + units
            + (cursor.map { ["--after-cursor=\($0)"] } ?? ["-n", "0"])
    }

    /// Text, or the bytes of what is no UTF-8.
    private static func message(_ value: JSONValue?) -> [UInt8] {
        switch value {
        case .string(let text): Array(text.utf8)
        case .array(let numbers):
            numbers.compactMap { if case .integer(let number) = $0 { UInt8(exactly: number) } else { nil } }
        default: []
        }
    }
}
