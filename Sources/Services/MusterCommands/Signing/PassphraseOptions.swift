import ArgumentParser
import Glibc
import MusterSigners
import MusterSystem

/// Where the passphrase of sealed keys comes from: never the command line.
struct PassphraseOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Read the passphrase of sealed keys from this open file descriptor.", valueName: "n"))
    var passphraseFd: Int32?

    @Option(
        help: ArgumentHelp("Read the passphrase of sealed keys from the first line of this file.", valueName: "file")
    )
    var passphraseFile: String?

    func validate() throws {
        guard passphraseFd == nil || passphraseFile == nil else {
            throw ValidationError("give --passphrase-fd or --passphrase-file, not both")
        }
    }

    /// The passphrase for new keys, asked for twice.
    func chosen(_ terminal: Terminal) throws -> Passphrase {
        if let given = try given() { return given }
        try requireTerminal(terminal)
        let first = try Passphrase.prompt("passphrase for the new keys")
        guard first.equals(try Passphrase.prompt("the same again")) else {
            throw CommandFailure.usage("the two passphrases differ")
        }
        return first
    }

    /// The passphrase of existing keys.
    func known(_ terminal: Terminal, for what: String) throws -> Passphrase {
        if let given = try given() { return given }
        try requireTerminal(terminal)
        return try Passphrase.prompt("passphrase of \(what)")
    }

    private func given() throws -> Passphrase? {
        if let passphraseFd { return try Passphrase.read(descriptor: passphraseFd) }
        guard let passphraseFile else { return nil }
        let file = try OpenFile(passphraseFile, flags: O_RDONLY)
        return try withExtendedLifetime(file) { try Passphrase.read(descriptor: file.descriptor) }
    }

    private func requireTerminal(_ terminal: Terminal) throws {
        guard terminal.kind.canAsk else {
            throw CommandFailure.usage(
                "the passphrase cannot be asked, standard input is no terminal: use --passphrase-fd or --passphrase-file"
            )
        }
    }
}
