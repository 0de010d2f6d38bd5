import CanonicalJSON
import MusterAPI
import MusterSystem

/// How far sshd's log was read, and the logins in it that the service has not heard of: on the disk, so that neither a
/// restart nor a service out of reach loses one.
struct SSHLogRecord: Hashable, Sendable {
    /// A login that waits to be reported.
    struct Entry: Hashable, Sendable {
        /// Rises with each login.
        let number: Int64
        /// The login.
        let login: SSHReport.Login
    }

    /// Most logins that wait; behind them the oldest are lost, which the log tells.
    static let limit = 10_000
    /// Most bytes of the file.
    static let byteLimit = 16 << 20

    /// Where the log file was read to.
    var position: SSHLogFile.Position?
    /// Where the journal was read to.
    var cursor: String?
    /// Logins that wait, oldest first.
    var waiting: [Entry] = []
    /// The number of the newest login.
    var newest: Int64 = 0

    init() {}

    /// Reads the file; what makes no sense in it is left out, so that it costs nothing else.
    init(_ fields: JSONFields) {
        if let inode = try? fields.integer("inode"), let offset = try? fields.integer("offset") {
            position = SSHLogFile.Position(inode: UInt64(inode), offset: offset)
        }
        cursor = try? fields.string("cursor", limit: 1024)
        waiting = ((try? fields.objects("waiting", limit: Self.limit)) ?? []).compactMap { entry -> Entry? in
            guard let number = try? entry.integer("number"), let login = try? SSHReport.Login(entry) else { return nil }
            return Entry(number: number, login: login)
        }
        newest = max((try? fields.integer("newest")) ?? 0, waiting.map(\.number).max() ?? 0)
    }

    var json: JSONValue {
        var object: JSONObject = [
            "newest": .integer(newest),
            "waiting": .array(
                waiting.map { entry in
                    guard case .object(var object) = entry.login.json else { return .null }
                    object["number"] = .integer(entry.number)
                    return .object(object)
                }
            ),
        ]
        if let position {
            object["inode"] = .integer(Int64(clamping: position.inode))
            object["offset"] = .integer(position.offset)
        }
        if let cursor { object["cursor"] = .string(cursor) }
        return .object(object)
    }

    /// Puts a login behind the others; false when the oldest had to go for it.
    mutating func add(_ login: SSHReport.Login) -> Bool {
        newest += 1
        waiting.append(Entry(number: newest, login: login))
        guard waiting.count > Self.limit else { return true }
        waiting.removeFirst()
        return false
    }
}
