import ByteCoding
import CanonicalJSON

/// One entry of the systemd journal, as `journalctl -o json` prints it.
///
/// ```
/// {"__CURSOR": "s=…", "__REALTIME_TIMESTAMP": "1795408234000000", "MESSAGE": "Accepted publickey for …"}
/// ```
/// A field that holds more than text is an array of its bytes, one that an entry has more than once an array of its values, and
/// one of more than 4096 bytes, which sshd never writes, is null.
///
/// Only what root wrote in the units of sshd is asked for: whoever is logged in cannot write into their name.
struct JournalLine: Hashable, Sendable {
    /// Most bytes of an entry.
    static let limit = 65536

    /// Where the entry is.
    let cursor: String
    /// When it was written.
    let time: UTCTime?
    /// What was written: one message, unless a program wrote more than one into the entry.
    let messages: [[UInt8]]

    init?(_ bytes: [UInt8]) {
        guard let value = try? JSONValue.parse(bytes, limit: Self.limit), let fields = try? JSONFields(value),
            let cursor = try? fields.string("__CURSOR", limit: 1024)
        else { return nil }
        self.cursor = cursor
        time = (try? fields.string("__REALTIME_TIMESTAMP", limit: 32)).flatMap { Int64($0) }
            .map { UTCTime(milliseconds: $0 / 1000) }
        messages = Self.messages(fields.object["MESSAGE"])
    }

    /// What `journalctl` is started with: everything behind the cursor, or from now on.
    ///
    /// `-f` alone shows no more than ten of the entries that there are already.
    static func arguments(after cursor: String?) -> [String] {
        let units = ["ssh.service", "sshd.service", "ssh@*.service", "sshd@*.service"].flatMap { ["-u", $0] }
        return ["-f", "-o", "json", "--output-fields=MESSAGE"] + units + ["_UID=0"]
            + (cursor.map { ["--no-tail", "--after-cursor=\($0)"] } ?? ["-n", "0"])
    }

    private static func messages(_ value: JSONValue?) -> [[UInt8]] {
        switch value {
        case .string(let text): [Array(text.utf8)]
        case .array(let elements):
            bytes(elements).map { [$0] }
                ?? elements.compactMap { element in
                    switch element {
                    case .string(let text): Array(text.utf8)
                    case .array(let numbers): bytes(numbers)
                    default: nil
                    }
                }
        default: []
        }
    }

    /// The bytes of what is no text; nil where these are no bytes.
    private static func bytes(_ numbers: [JSONValue]) -> [UInt8]? {
        var bytes: [UInt8] = []
        for number in numbers {
            guard case .integer(let number) = number, let byte = UInt8(exactly: number) else { return nil }
            bytes.append(byte)
        }
        return bytes
    }
}
