import Glibc
import MusterSystem
import TUF
import TUFTrust

/// Downloads one target file: verified while it streams, written beside its place, renamed into it when it is whole.
public struct TargetDownload: Sendable {
    /// What became of a download.
    public enum Outcome: Sendable {
        /// The file was fetched.
        case downloaded
        /// The file was there already, with the signed content.
        case alreadyThere
    }

    private let file: TargetFile
    private let address: String

    /// The download of a file that trusted metadata describes; refuses a path that is not safe to make an address of.
    public init(_ file: TargetFile, in trusted: TrustedMetadata) throws(TUFClientError) {
        guard let address = TargetPath.address(of: file, consistentSnapshot: trusted.root.consistentSnapshot) else {
            throw .trust(TUFTrustError(.unsafePath, "\(file.path): not a safe path, or without a hash that is known"))
        }
        self.file = file
        self.address = address
    }

    /// Puts the file at `path`; on an error whatever was there is still there.
    public func run(from source: any TUFTargetSource, to path: String) async throws(TUFClientError) -> Outcome {
        if try isPresent(at: path) { return .alreadyThere }
        let folder = Directory.parent(of: path)
        let temporary = folder + "/.muster-\(UInt64.random(in: .min ... .max)).part"
        let output = try storing { () throws(SystemError) in
            try Directory.create(folder, mode: 0o755)
            return try OpenFile(temporary, flags: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o644)
        }
        do throws(TUFClientError) {
            try await fetch(from: source, to: output)
            try storing { () throws(SystemError) in
                try output.sync()
                try AtomicFile.rename(temporary, to: path)
            }
        } catch {
            unlink(temporary)
            throw error
        }
        return .downloaded
    }

    private func fetch(from source: any TUFTargetSource, to output: OpenFile) async throws(TUFClientError) {
        var verifier = try trusting { () throws(TUFTrustError) in try TargetVerifier(file) }
        try await source.stream(address, limit: file.length) { piece throws(TUFClientError) in
            try trusting { () throws(TUFTrustError) in try verifier.update(piece) }
            try storing { () throws(SystemError) in try output.write(piece) }
        }
        try trusting { () throws(TUFTrustError) in try verifier.finish() }
    }

    /// Whether the signed content is at `path` already.
    private func isPresent(at path: String) throws(TUFClientError) -> Bool {
        guard let existing = try? OpenFile(path, flags: O_RDONLY | O_NONBLOCK),
            let status = try? existing.status(), status.st_mode & S_IFMT == S_IFREG, status.st_size == file.length
        else { return false }
        var verifier = try trusting { () throws(TUFTrustError) in try TargetVerifier(file) }
        var isSame = true
        try storing { () throws(SystemError) in
            try existing.forEachPiece { piece in
                if (try? verifier.update(piece)) == nil { isSame = false }
            }
        }
        return isSame && (try? verifier.finish()) != nil
    }
}
