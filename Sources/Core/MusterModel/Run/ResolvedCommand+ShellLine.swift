import ByteCoding

extension ResolvedCommand {
    /// Most bytes of the line: sshd takes more, and nobody reads it.
    public static let shellLineLimit = 4096
    /// Where programs are looked for.
    private static let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    /// Seconds from TERM to KILL.
    private static let patience = 5

    /// What stands between sshd and the command: POSIX shell without a single quote in it.
    ///
    /// Its first argument is a format for `printf`, or empty; the others are the command. The command reads what is printed,
    /// or nothing; only this script reads what the client sends, and takes a line for the wish to stop. That is the one way,
    /// since sshd passes no signals on to a forced command; when the client is merely gone, the command goes on. What is left
    /// of the command's process group when it has ended is ended too.
    private static let script = """
        exec 3<&0; f=$1; shift; \
        if [ "$f" ]; then /usr/bin/printf -- "$f" | "$@" 3<&- & else "$@" </dev/null 3<&- & fi; \
        p=$!; { read x <&3 && kill $p; } >/dev/null 2>&1 & \
        w=$!; exec 3<&- >/dev/null 2>&1; wait $p; s=$?; kill $w; kill -- -$p; exit $s
        """
    /// What a client sends to make the command stop.
    public static let stopInput = Array("stop\n".utf8)

    /// The command for the account's login shell, as a certificate forces it; nil where it takes secrets or is too long.
    ///
    /// ```
    /// cd '/' && exec /bin/sh -c '…' sh '' /usr/bin/env -i … HOME="$HOME" USER='root' … /usr/bin/timeout -k 5 60 '/bin/echo' 'a b'
    /// ```
    /// Whoever holds the certificate holds the session, so the line fixes everything that could change what runs: the whole
    /// environment, the folder, and standard input above all, which a shell or an interpreter would obey. Only `HOME` comes
    /// from sshd, which has it from the account's entry.
    public func shellLine(run: RunID) -> String? {
        guard secrets.isEmpty else { return nil }
        var words = [
            "/bin/sh", "-c", "'" + Self.script + "'", "sh", Self.format(input?.shown ?? ""),
            "/usr/bin/env", "-i", "PATH=" + Self.quoted(Self.path), "HOME=\"$HOME\"",
            "USER=" + Self.quoted(user.text), "LOGNAME=" + Self.quoted(user.text), "SHELL=/bin/sh",
            "MUSTER_RUN=" + run.text,
        ]
        // As in a run by agents, no command says which run it is.
        for (name, value) in environment.sorted(by: { $0.key < $1.key }) where name != "MUSTER_RUN" {
            words.append(name + "=" + Self.quoted(value.shown))
        }
        words += ["/usr/bin/timeout", "-k", "\(Self.patience)", "\(timeoutSeconds)"]
        words += argv.map(Self.quoted)
        let line = "cd " + Self.quoted(directory) + " && exec " + words.joined(separator: " ")
        guard line.utf8.count <= Self.shellLineLimit else { return nil }
        return line.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F } ? line : nil
    }

    /// A word that every login shell takes as it is.
    private static func quoted(_ word: String) -> String {
        var quoted = "'"
        for scalar in word.unicodeScalars {
            switch scalar {
            // Between single quotes nothing means anything but the next one; in fish also a backslash before some.
            case "'": quoted += "'\\''"
            case "\\": quoted += "'\\\\'"
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "'"
    }

    /// A format that makes `printf` write exactly the text: whatever is not plain stands in octal.
    private static func format(_ text: String) -> String {
        var format = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "%"): format += "%%"
            case UInt8(ascii: "'"), UInt8(ascii: "\\"), ..<0x20, 0x7F...:
                let octal = String(byte, radix: 8)
                format += "\\" + String(repeating: "0", count: 3 - octal.count) + octal
            default: format.unicodeScalars.append(Unicode.Scalar(byte))
            }
        }
        return quoted(format)
    }
}
