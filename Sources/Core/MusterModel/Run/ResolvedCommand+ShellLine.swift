import ByteCoding

extension ResolvedCommand {
    /// Most bytes of the line: sshd takes more, and nobody reads it.
    public static let shellLineLimit = 4096
    /// Where programs are looked for.
    private static let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    /// Seconds from TERM to KILL.
    private static let patience = 5

    /// The command for the account's login shell, as a certificate forces it; nil where it takes secrets or is too long.
    ///
    /// ```
    /// cd '/' && exec /usr/bin/env -i … HOME="$HOME" USER='root' … /usr/bin/timeout -k 5 60 '/bin/echo' 'a b' </dev/null
    /// ```
    /// Whoever holds the certificate holds the session, so the line fixes everything that could change what runs: the whole
    /// environment, the folder, and standard input above all, which a shell or an interpreter would obey. Only `HOME` comes
    /// from sshd, which has it from the account's entry.
    public func shellLine(run: RunID) -> String? {
        guard secrets.isEmpty else { return nil }
        var words = [
            "/usr/bin/env", "-i", "PATH=" + Self.quoted(Self.path), "HOME=\"$HOME\"",
            "USER=" + Self.quoted(user.text), "LOGNAME=" + Self.quoted(user.text), "SHELL=/bin/sh",
            "MUSTER_RUN=" + run.text,
        ]
        for (name, value) in environment.sorted(by: { $0.key < $1.key }) {
            words.append(name + "=" + Self.quoted(value.shown))
        }
        words += ["/usr/bin/timeout", "-k", "\(Self.patience)", "\(timeoutSeconds)"]
        words += argv.map(Self.quoted)
        let command = words.joined(separator: " ")
        let place = "cd " + Self.quoted(directory) + " && "
        let line =
            if let input {
                place + "/usr/bin/printf " + Self.format(input.shown) + " | " + command
            } else {
                place + "exec " + command + " </dev/null"
            }
        guard line.utf8.count <= Self.shellLineLimit else { return nil }
        return line.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F } ? line : nil
    }

    /// A word that every login shell takes as it is.
    private static func quoted(_ word: String) -> String {
        var quoted = "'"
        for scalar in word.unicodeScalars {
            // Between single quotes nothing means anything but the next one.
            if scalar == "'" { quoted += "'\\''" } else { quoted.unicodeScalars.append(scalar) }
        }
        return quoted + "'"
    }

    /// A format that makes `printf` write exactly the text: whatever is not plain stands in octal.
    private static func format(_ text: String) -> String {
        var format = "'"
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "%"): format += "%%"
            case UInt8(ascii: "'"), UInt8(ascii: "\\"), ..<0x20, 0x7F...:
                let octal = String(byte, radix: 8)
                format += "\\" + String(repeating: "0", count: 3 - octal.count) + octal
            default: format.unicodeScalars.append(Unicode.Scalar(byte))
            }
        }
        return format + "'"
    }
}
