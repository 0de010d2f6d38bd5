import ByteCoding
import Glibc
import Hummingbird
import MusterAPI
import MusterKeys
import MusterModel
import MusterPolicy
import MusterStore
import MusterSystem
import NIOCore
import NIOPosix
import SignatureVerification
import TUF
import TUFTrust

/// Takes target files: straight to the disk, hashed on the way, in place only when whole and as announced.
struct RepositoryUpload: Sendable {
    let store: Store
    let state: StateDirectory
    /// Most bytes of one file.
    var limit: Int64
    /// A client that sends nothing for so long has gone.
    private static let pieceTimeout = TimeAmount.seconds(60)

    /// `PUT /v1/repository/files/{sha256}?path=…`.
    func take(_ call: Call, sha256: String) async throws {
        guard let digest = Hex.decode(sha256), digest.count == 32 else {
            throw Problem.malformed("'\(sha256)' is not a SHA-256 in lower-case hexadecimal digits")
        }
        guard let path = call.query("path"), TargetPath.isSafe(path),
            path.hasPrefix("releases/") || path.hasPrefix("policy/") || path == SSHTrust.targetPath
        else {
            throw Problem.malformed("query member 'path' is not releases/NAME, policy/NAME or \(SSHTrust.targetPath)")
        }
        guard let text = call.request.headers[.contentLength], let length = Int64(text), length >= 0 else {
            throw Problem(
                status: 411,
                code: "length-required",
                title: "The length is missing",
                detail: "send the file with its Content-Length"
            )
        }
        guard length <= limit else { throw Problem.tooLong(Int(limit)) }
        let stored = StoredFile(sha256: sha256, length: length, path: path, stored: call.time)
        let target = state.file(sha256)
        let unfinished = state.upload(Hex.encode(RandomBytes.make(16)))
        do {
            try await receive(call, to: unfinished, length: length, digest: digest)
            try await NIOThreadPool.singleton.runIfActive { try AtomicFile.rename(unfinished, to: target) }
        } catch {
            try? AtomicFile.remove(unfinished)
            throw error
        }
        try await store.write { try $0.put(stored) }
    }

    private func receive(_ call: Call, to path: String, length: Int64, digest: [UInt8]) async throws {
        let file: OpenFile
        do {
            file = try OpenFile(path, flags: O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
            guard try Directory.freeBytes(path) > length else {
                throw Problem.unavailable("the service's disk is full")
            }
        } catch let error as SystemError {
            throw Problem.unavailable("the service cannot store files: \(error.reason)")
        }
        var received: Int64 = 0
        var hash = StreamingDigest(.sha256)
        let channel = call.channel
        var timeout = channel.eventLoop.scheduleTask(in: Self.pieceTimeout) { channel.close(promise: nil) }
        defer { timeout.cancel() }
        do {
            for try await piece in call.request.body {
                timeout.cancel()
                timeout = channel.eventLoop.scheduleTask(in: Self.pieceTimeout) { channel.close(promise: nil) }
                received += Int64(piece.readableBytes)
                guard received <= length else { throw Problem.tooLong(Int(length)) }
                piece.withUnsafeReadableBytes { hash.update($0) }
                try await NIOThreadPool.singleton.runIfActive { try file.write(piece.readableBytesView) }
            }
        } catch let problem as Problem {
            throw problem
        } catch let error as SystemError {
            throw Problem.unavailable("the service cannot store the file: \(error.reason)")
        } catch {
            throw Problem.malformed("the file ends after \(received) of \(length) bytes")
        }
        guard received == length else {
            throw Problem.malformed("the file ends after \(received) of \(length) bytes")
        }
        guard ConstantTime.equal(hash.finish(), digest) else {
            throw Problem.notVerified("the file does not have the SHA-256 it was announced with")
        }
        try await NIOThreadPool.singleton.runIfActive { try file.sync() }
    }

    /// Removes files that nothing trusted names and that are older than a day.
    func removeUnreferenced(_ publication: Publication, at time: UTCTime) async throws {
        var referenced: Set<String> = []
        for path in publication.releases.paths {
            if let release = publication.releases.release(path) { referenced.insert(Hex.encode(release.sha256)) }
        }
        guard publication.troubles.isEmpty else { return }
        for path in [FleetPolicy.targetPath, SSHTrust.targetPath, RevocationMetadata.targetPath] {
            if let file = publication.trusted.loadedTargetFile(path)?.hashes.fileNamePrefix { referenced.insert(file) }
        }
        let before = time.adding(seconds: -86400)
        for file in try await store.read({ try $0.files() })
        where !referenced.contains(file.sha256) && file.stored < before {
            try await store.write { try $0.removeFile(sha256: file.sha256) }
            try AtomicFile.remove(state.file(file.sha256))
        }
    }
}
