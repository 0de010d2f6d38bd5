import Glibc

/// A user of this machine, with everything that a process of theirs needs.
public struct UserAccount: Hashable, Sendable {
    /// The login name.
    public let name: String
    /// The user id.
    public let id: UInt32
    /// The primary group.
    public let group: UInt32
    /// All groups, the primary one among them.
    public let groups: [UInt32]
    /// The home folder.
    public let home: String

    /// Most groups of one user that the kernel takes.
    private static let groupLimit: Int32 = 65536

    /// The user of that name; nil where this machine has none.
    public static func find(_ name: String) throws(SystemError) -> UserAccount? {
        var buffer = [CChar](repeating: 0, count: 65536)
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        let code = getpwnam_r(name, &entry, &buffer, buffer.count, &found)
        // POSIX lets a system say in any of these ways that there is no such user.
        if [0, ENOENT, ESRCH, EBADF, EPERM].contains(code), found == nil { return nil }
        guard code == 0 else { throw SystemError("look up user", name, errno: code) }
        return UserAccount(
            name: name,
            id: entry.pw_uid,
            group: entry.pw_gid,
            groups: groups(of: name, entry.pw_gid),
            home: entry.pw_dir.map { String(cString: $0) } ?? "/"
        )
    }

    /// Whether a process of ours can become this user.
    public var isWithinReach: Bool { geteuid() == 0 || geteuid() == id }

    private static func groups(of name: String, _ primary: gid_t) -> [gid_t] {
        var count: Int32 = 64
        while true {
            var groups = [gid_t](repeating: 0, count: Int(count))
            var found = count
            if getgrouplist(name, primary, &groups, &found) >= 0 { return Array(groups.prefix(Int(found))) }
            guard count < groupLimit else { return [primary] }
            count = max(count * 2, found)
        }
    }
}
