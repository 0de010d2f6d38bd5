import Glibc
import MusterAgent
import MusterModel
import MusterSystem

/// A repository in a folder whose neighbours fill the disk while a package is on its way.
public struct FillingRepository: PackageSource {
    private let repository: FolderRepository
    private let disk: String

    /// The packages of `repository`; the file system of the folder `disk` is full after the first piece.
    public init(_ repository: FolderRepository, disk: String) {
        self.repository = repository
        self.disk = disk
    }

    /// The bytes of a package; after the first of its pieces no page of the disk is free.
    public func read(
        _ target: UpgradeBody.Target,
        from offset: Int64,
        start: (Int64) throws(DownloadError) -> Void,
        receive: ([UInt8]) throws(DownloadError) -> Void
    ) async throws(DownloadError) {
        var isFull = false
        try await repository.read(target, from: offset, start: start) { piece throws(DownloadError) in
            try receive(piece)
            if !isFull { fill() }
            isFull = true
        }
    }

    private func fill() {
        guard let file = try? OpenFile(disk + "/filler", flags: O_WRONLY | O_CREAT | O_APPEND) else { return }
        let page = [UInt8](repeating: 0, count: 4096)
        while (try? file.write(page)) != nil {}
    }
}
