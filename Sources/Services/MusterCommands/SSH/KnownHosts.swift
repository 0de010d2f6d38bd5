import ByteCoding
import MusterModel
import MusterSystem
import OpenSSHFormats

/// The file by which `ssh` believes hosts: the fleet's host CAs, verified by TUF, and nothing else.
enum KnownHosts {
    /// The lines of a document at a moment.
    static func text(_ trust: SSHTrust, at time: UTCTime) -> String {
        trust.hostAuthorities.trusted(at: time).map { "@cert-authority * \($0.publicKey.line)\n" }.joined()
    }

    /// Writes the file where it differs.
    static func write(_ trust: SSHTrust, _ context: CommandContext) throws {
        let bytes = Array(text(trust, at: context.now()).utf8)
        let file = context.folder.knownHostsFile
        try Directory.create(context.folder.ssh)
        guard try BoundedFile.readIfPresent(file, limit: SSHTrust.byteLimit) != bytes else { return }
        try AtomicFile.write(bytes, to: file)
    }
}
