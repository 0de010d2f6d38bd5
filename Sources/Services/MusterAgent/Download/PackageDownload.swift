import Glibc
import MusterModel
import MusterSystem
import SignatureVerification

/// Fetches one package file into the node's downloads, hashing while it writes, and goes on where it broke off.
public struct PackageDownload: Sendable {
    /// How slow a transfer may be before it is given up.
    public struct Pace: Sendable {
        /// Milliseconds that are allowed to any transfer.
        public var grace: Int64 = 30000
        /// Bytes that must have come for each further second.
        public var bytesPerSecond: Int64 = 1024

        /// Thirty seconds, then a kilobyte a second.
        public init() {}
    }

    /// Bytes of the disk that are left alone.
    static let reserve: Int64 = 16 << 20

    private let paths: AgentPaths
    private let source: any PackageSource
    private let clock: AgentClock
    private let pace: Pace

    /// Downloads from `source` into the node's files.
    public init(paths: AgentPaths, source: any PackageSource, clock: AgentClock, pace: Pace = Pace()) {
        self.paths = paths
        self.source = source
        self.clock = clock
        self.pace = pace
    }

    /// Brings the whole file, with the signed length and hash, into the downloads.
    ///
    /// What came of it stays there after `unreachable`, `tooSlow` and `cancelled`, for the next call to go on with; it
    /// is removed when it is wrong, or when the disk is full.
    public func fetch(_ release: InstalledRelease) async throws(DownloadError) {
        let whole = paths.downloaded(release)
        if StoredPackage.open(whole, release) != nil { return }
        let partial = paths.partial(release)
        do throws(DownloadError) {
            var transfer = try begin(release, partial)
            if transfer.received < release.target.length {
                try await source.read(
                    release.target,
                    from: transfer.received,
                    start: { offset throws(DownloadError) in try transfer.start(at: offset) },
                    receive: { piece throws(DownloadError) in try transfer.receive(piece, pace, clock.monotonic()) }
                )
            }
            try transfer.finish()
            try Self.storing { () throws(SystemError) in try AtomicFile.rename(partial, to: whole) }
        } catch {
            switch error.code {
            case .unreachable, .missing, .tooSlow, .cancelled: break
            case .tooLong, .wrongContent, .diskFull, .storage: unlink(partial)
            }
            throw error
        }
    }

    private func begin(_ release: InstalledRelease, _ partial: String) throws(DownloadError) -> Transfer {
        let started = clock.monotonic()
        return try Self.storing { () throws(SystemError) in
            let file = try OpenFile(partial, flags: O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW)
            var transfer = Transfer(file: file, target: release.target, started: started)
            if try file.length() > release.target.length { try file.truncate(to: 0) }
            try transfer.takePresent()
            let free = try Directory.freeBytes(paths.downloads)
            let needed = release.target.length - transfer.received
            guard needed + Self.reserve <= free else {
                throw SystemError("keep \(needed) bytes in", paths.downloads, errno: ENOSPC)
            }
            return transfer
        }
    }

    static func storing<Result>(_ body: () throws(SystemError) -> Result) throws(DownloadError) -> Result {
        do throws(SystemError) {
            return try body()
        } catch {
            throw DownloadError(error)
        }
    }
}

/// One file on its way.
private struct Transfer {
    let file: OpenFile
    let target: UpgradeBody.Target
    let started: Int64
    private(set) var received: Int64 = 0
    private var digest = StreamingDigest(.sha256)
    private var resumed: Int64 = 0

    init(file: OpenFile, target: UpgradeBody.Target, started: Int64) {
        self.file = file
        self.target = target
        self.started = started
    }

    /// Hashes what an earlier attempt left.
    mutating func takePresent() throws(SystemError) {
        var digest = StreamingDigest(.sha256)
        try file.forEachPiece { digest.update($0) }
        self.digest = digest
        received = try file.length()
        resumed = received
    }

    mutating func start(at offset: Int64) throws(DownloadError) {
        guard offset != received else { return }
        try PackageDownload.storing { () throws(SystemError) in try file.truncate(to: 0) }
        digest = StreamingDigest(.sha256)
        received = 0
        resumed = 0
    }

    mutating func receive(_ piece: [UInt8], _ pace: PackageDownload.Pace, _ now: Int64) throws(DownloadError) {
        guard Int64(piece.count) <= target.length - received else {
            throw DownloadError(.tooLong, "\(target.path): more comes than the signed \(target.length) bytes")
        }
        digest.update(piece)
        try PackageDownload.storing { () throws(SystemError) in try file.write(piece) }
        received += Int64(piece.count)
        let late = now - started - pace.grace
        guard late <= 0 || (received - resumed) * 1000 >= late * pace.bytesPerSecond else {
            let seconds = (now - started) / 1000
            throw DownloadError(
                .tooSlow,
                "\(target.path): \(received - resumed) bytes in \(seconds) seconds are too slow"
            )
        }
        guard !Task.isCancelled else { throw DownloadError(.cancelled, "\(target.path): the agent ends") }
    }

    func finish() throws(DownloadError) {
        guard received == target.length else {
            throw DownloadError(
                .unreachable,
                "\(target.path): the service broke off after \(received) of \(target.length) bytes"
            )
        }
        guard digest.finish() == target.sha256 else {
            throw DownloadError(.wrongContent, "\(target.path): what came does not have the signed hash")
        }
        try PackageDownload.storing { () throws(SystemError) in try file.sync() }
    }
}
