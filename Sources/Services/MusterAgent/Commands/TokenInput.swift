import ArgumentParser
import Glibc
import MusterModel
import MusterSystem

/// Where the token comes from: never the command line, which every user of the machine can read.
struct TokenInput: ParsableArguments {
    @Option(help: "File that holds the token; '-' is standard input.")
    var tokenFile: String?

    @Option(help: "Open file descriptor to read the token from.")
    var tokenFd: Int32?

    /// Longest text that is read for a token.
    private static let limit = 4096

    func validate() throws {
        guard tokenFile == nil || tokenFd == nil else {
            throw ValidationError("--token-file and --token-fd exclude each other")
        }
    }

    /// Reads the token from where the options say; else by a prompt on the terminal, or from standard input.
    func token() throws -> EnrollmentToken {
        let line: String
        if let tokenFd {
            line = try Self.read(tokenFd, "descriptor \(tokenFd)")
        } else if let tokenFile, tokenFile != "-" {
            line = String(decoding: try BoundedFile.read(tokenFile, limit: Self.limit), as: UTF8.self)
        } else if tokenFile == nil, isatty(0) == 1 {
            line = try Self.prompt()
        } else {
            line = try Self.read(0, "standard input")
        }
        guard let token = EnrollmentToken(line: line) else {
            throw EnrollmentError("that is not a token; it has the form muster1.FLEET.SECRET, on one line")
        }
        return token
    }

    /// Reads to the end of the line or of the input.
    private static func read(_ descriptor: Int32, _ name: String) throws -> String {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while bytes.count < limit {
            let count = Glibc.read(descriptor, &byte, 1)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw SystemError("read the token from", name, errno: errno) }
            if count == 0 || byte == UInt8(ascii: "\n") { break }
            bytes.append(byte)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Asks without showing what is typed.
    private static func prompt() throws -> String {
        var before = termios()
        let canHide = tcgetattr(0, &before) == 0
        var hidden = before
        hidden.c_lflag &= ~tcflag_t(ECHO)
        if canHide { tcsetattr(0, TCSAFLUSH, &hidden) }
        defer { if canHide { tcsetattr(0, TCSAFLUSH, &before) } }
        ErrorOutput.write("token: ")
        defer { ErrorOutput.write("\n") }
        return try read(0, "the terminal")
    }
}

/// Standard error, for what is not the answer.
enum ErrorOutput {
    /// Writes the text as it is.
    static func write(_ text: String) {
        let bytes = Array(text.utf8)
        _ = Glibc.write(2, bytes, bytes.count)
    }
}
