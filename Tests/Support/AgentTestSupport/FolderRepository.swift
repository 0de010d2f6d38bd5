import MusterAgent
import MusterModel
import MusterSystem
import TUF
import TUFClient

/// A TUF repository that is a folder: files below `metadata/` and `targets/`.
public struct FolderRepository: TUFFetcher, PackageSource {
    private let folder: String
    private let outage: String?

    /// The repository in that folder; out of reach while there is a file `outage`.
    public init(_ folder: String, outage: String? = nil) {
        self.folder = folder
        self.outage = outage
    }

    private var isOut: Bool { outage.map { Directory.exists($0) } ?? false }

    /// Writes files by their path below the folder.
    public func write(_ files: [String: [UInt8]]) throws {
        for (name, bytes) in files {
            let path = folder + "/" + name
            try Directory.create(Directory.parent(of: path), mode: 0o755)
            try AtomicFile.write(bytes, to: path, mode: 0o644)
        }
    }

    /// The bytes of a file.
    public func fetch(_ path: String, limit: Int) async throws(TUFClientError) -> [UInt8]? {
        guard !isOut else { throw .fetch(address: path, reason: "the network is gone") }
        do throws(SystemError) {
            return try BoundedFile.readIfPresent(folder + "/" + path, limit: limit)
        } catch {
            throw .fetch(address: path, reason: "\(error)")
        }
    }

    /// The bytes of a package, in pieces of 1000.
    public func read(
        _ target: UpgradeBody.Target,
        from offset: Int64,
        start: (Int64) throws(DownloadError) -> Void,
        receive: ([UInt8]) throws(DownloadError) -> Void
    ) async throws(DownloadError) {
        guard !isOut else { throw DownloadError(.unreachable, "the network is gone") }
        let file = TargetFile(path: target.path, length: target.length, hashes: FileHashes(sha256: target.sha256))
        guard let address = TargetPath.address(of: file, consistentSnapshot: true),
            let bytes = try? BoundedFile.read(folder + "/targets/" + address, limit: 1 << 30)
        else { throw DownloadError(.missing, "\(target.path) is not there") }
        try start(offset)
        var rest = bytes.dropFirst(Int(offset))
        while !rest.isEmpty {
            try receive(Array(rest.prefix(1000)))
            rest = rest.dropFirst(1000)
        }
    }
}
