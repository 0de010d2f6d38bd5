import CLinux
import Glibc

/// A call of the operating system failed: what was tried, on what, and why.
public struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was tried, as a verb phrase: `open`, `replace`, `start`.
    public let attempt: String
    /// The path, address or program it was tried on.
    public let subject: String
    /// The errno value, 0 where the failure is none of the kernel's.
    public let code: Int32
    /// Why it failed, as one lower-case clause.
    public let reason: String

    /// A failure whose reason is the text of an errno value.
    public init(_ attempt: String, _ subject: String, errno code: Int32) {
        self.attempt = attempt
        self.subject = subject
        self.code = code
        self.reason = Self.text(code)
    }

    /// A failure for a reason of our own, which may stand for an errno value.
    public init(_ attempt: String, _ subject: String, because reason: String, errno code: Int32 = 0) {
        self.attempt = attempt
        self.subject = subject
        self.code = code
        self.reason = reason
    }

    /// Whether the file, or a folder of its path, does not exist.
    public var isMissing: Bool { code == ENOENT }

    /// Whether the disk is full or the quota used up.
    public var isDiskFull: Bool { code == ENOSPC || code == EDQUOT }

    /// Whether it took longer than it was allowed to.
    public var isTimeout: Bool { code == ETIMEDOUT }

    /// `cannot open /x: no such file or directory`.
    public var description: String { "cannot \(attempt) \(subject): \(reason)" }

    private static func text(_ code: Int32) -> String {
        let text = String(cString: clinux_errno_text(code))
        return text.prefix(1).lowercased() + text.dropFirst()
    }
}
