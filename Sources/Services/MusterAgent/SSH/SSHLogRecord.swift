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

    init(_ fields: JSONFields) throws(JSONError) {
        if fields.has("inode") {
            position = SSHLogFile.Position(
                inode: UInt64(try fields.integer("inode")),
                offset: try fields.integer("offset")
            )
        }
        if fields.has("cursor") { cursor = try fields.string("cursor", limit: 1024) }
        newest = try fields.integer("newest")
        waiting = try fields.objects("waiting", limit: Self.limit).map { entry throws(JSONError) in
            Entry(number: try entry.integer("number"), login: try SSHReport.Login(entry))
        }
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
