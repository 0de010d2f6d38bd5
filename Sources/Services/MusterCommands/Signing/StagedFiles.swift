import ByteCoding
import Glibc
import MusterSystem
import PackageInstaller
import TUF

/// Package files that wait, with the metadata that names them, for more signatures: `staged/files/<sha256>.deb`.
struct StagedFiles: Sendable {
    private let folder: ConfigurationFolder

    init(_ folder: ConfigurationFolder) {
        self.folder = folder
    }

    /// Keeps a copy, since the original may be gone by the time that everybody has signed.
    func keep(_ file: Publication.File) throws {
        let place = path(file.target)
        try Directory.create(folder.stagedFiles)
        guard !Directory.exists(place) else { return }
        let source = try OpenFile(file.path, flags: O_RDONLY)
        let partial = place + ".part"
        try AtomicFile.remove(partial)
        let copy = try OpenFile(partial, flags: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o644)
        var failure: SystemError?
        try source.forEachPiece { piece in
            guard failure == nil else { return }
            do throws(SystemError) {
                try copy.write(Array(piece))
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        try copy.sync()
        try AtomicFile.rename(partial, to: place)
    }

    /// The file with the signed content: a kept copy, or one of `candidates`.
    func find(_ target: TargetFile, candidates: [String]) throws -> String? {
        for place in [path(target)] + candidates where Directory.exists(place) {
            let measured = try PackageFile.measure(try OpenFile(place, flags: O_RDONLY))
            if measured.length == target.length, measured.sha256 == target.hashes.sha256 { return place }
        }
        return nil
    }

    /// Removes the copies of files that are published now.
    func forget(_ targets: [TargetFile]) {
        for target in targets { try? AtomicFile.remove(path(target)) }
    }

    private func path(_ target: TargetFile) -> String {
        folder.stagedFiles + "/" + Hex.encode(target.hashes.sha256 ?? []) + ".deb"
    }
}
