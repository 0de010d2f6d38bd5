import Glibc
import MusterKeys

/// What a person types to open a sealed key; wiped when nobody refers to it.
public struct Passphrase: Sendable, CustomStringConvertible {
    /// Most bytes of a passphrase.
    public static let byteLimit = 1024

    let secret: SecretBytes

    /// Takes over the bytes of a passphrase, which are wiped; nil where they are none or more than `byteLimit`.
    public init?(wiping bytes: inout [UInt8]) {
        let count = bytes.count
        secret = SecretBytes(wiping: &bytes)
        guard (1...Self.byteLimit).contains(count) else { return nil }
    }

    /// Reads one line from an open descriptor (`--passphrase-fd`); what follows the line stays unread.
    public static func read(descriptor: Int32) throws(SigningError) -> Passphrase {
        var line = [UInt8](repeating: 0, count: 0)
        line.reserveCapacity(byteLimit + 1)
        defer { _ = SecretBytes(wiping: &line) }
        var byte: UInt8 = 0
        while line.count <= byteLimit {
            let count = Glibc.read(descriptor, &byte, 1)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw SigningError(.unavailable, "cannot read the passphrase from descriptor \(descriptor)")
            }
            if count == 0 || byte == 0x0A { break }
            line.append(byte)
        }
        guard let passphrase = Passphrase(wiping: &line) else {
            throw SigningError(.malformed, "the passphrase is empty or longer than \(byteLimit) bytes")
        }
        return passphrase
    }

    /// Asks on the controlling terminal, without showing what is typed.
    public static func prompt(_ question: String) throws(SigningError) -> Passphrase {
        let terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)
        guard terminal >= 0 else {
            throw SigningError(.unavailable, "there is no terminal to ask for a passphrase: give --passphrase-fd")
        }
        defer { close(terminal) }
        var shown = termios()
        tcgetattr(terminal, &shown)
        var hidden = shown
        hidden.c_lflag &= ~tcflag_t(ECHO)
        tcsetattr(terminal, TCSAFLUSH, &hidden)
        defer {
            tcsetattr(terminal, TCSAFLUSH, &shown)
            _ = write(terminal, "\n", 1)
        }
        let text = question + ": "
        _ = write(terminal, text, text.utf8.count)
        return try read(descriptor: terminal)
    }

    /// Whether both are the same, for typing one twice.
    public func equals(_ other: Passphrase) -> Bool { secret.equals(other.secret) }

    /// Never the passphrase.
    public var description: String { "(passphrase)" }
}
