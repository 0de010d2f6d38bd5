import ByteCoding
import Glibc
import HTTPTypes
import Hummingbird
import MusterAPI
import MusterModel
import MusterPolicy
import MusterStore
import MusterSystem
import NIOCore
import NIOPosix
import SignatureVerification
import TUF
import TUFTrust

/// Serves `/tuf/…`: GET and HEAD, entity tags, one byte range, and what may be cached for how long.
struct RepositoryServing: Sendable {
    let store: Store
    let state: StateDirectory
    let repository: Repository

    private static let immutable = "public, max-age=31536000, immutable"
    private static let pieceLength = 256 * 1024
    /// A client that takes nothing for so long has gone.
    private static let pieceTimeout = TimeAmount.seconds(60)

    /// Answers for the part of the path after `/tuf/`.
    func answer(_ call: Call, _ path: ArraySlice<String>) async throws -> Response {
        guard call.request.method == .get || call.request.method == .head else {
            throw Problem.wrongMethod("GET, HEAD")
        }
        let publication = try repository.publication()
        switch path.first {
        case "metadata" where path.count == 2: return try await metadata(call, path.last ?? "", publication)
        case "targets" where path.count == 3: return try await target(call, path.dropFirst(), publication)
        default: throw Problem.missing("the repository has metadata/… and targets/…")
        }
    }

    private func metadata(_ call: Call, _ name: String, _ publication: Publication) async throws -> Response {
        if name == "timestamp.json" {
            return serve(call, publication.metadata["timestamp"] ?? [], caching: "no-cache")
        }
        let parts = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, parts[2] == "json", let version = Int64(parts[0]), String(version) == parts[0],
            parts[1] != "timestamp",
            let bytes = try await store.read({ try $0.metadata(role: parts[1], version: version) })
        else { throw Problem.missing("there is no metadata '\(name)'") }
        return serve(call, bytes, caching: Self.immutable)
    }

    private func serve(_ call: Call, _ bytes: [UInt8], caching: String) -> Response {
        let head = RepositoryHead(
            call,
            length: Int64(bytes.count),
            tag: "\"\(Hex.encode(Digest.sha256(bytes)))\"",
            type: "application/json",
            caching: caching
        )
        return head.response { range in
            ResponseBody(byteBuffer: ByteBuffer(bytes: bytes[Int(range.lowerBound)..<Int(range.upperBound)]))
        }
    }

    /// `releases/<sha256>.<name>`: the digest says which file, and the name must be the one it was uploaded for.
    private func target(_ call: Call, _ path: ArraySlice<String>, _ publication: Publication) async throws -> Response {
        let folder = path.first ?? ""
        let name = path.last ?? ""
        let sha256 = String(name.prefix(64))
        let plain = String(name.dropFirst(65))
        guard name.utf8.count > 65, Array(name.utf8)[64] == UInt8(ascii: "."), Hex.decode(sha256) != nil,
            try await isOffered("\(folder)/\(plain)", sha256, publication)
        else { throw Problem.missing("no trusted target '\(folder)/\(plain)' has this SHA-256") }
        let opened = try open(sha256)
        let length = try opened.length()
        let head = RepositoryHead(
            call,
            length: length,
            tag: "\"\(sha256)\"",
            type: "application/octet-stream",
            caching: Self.immutable
        )
        let channel = call.channel
        return head.response { range in
            ResponseBody(contentLength: Int(range.upperBound - range.lowerBound)) { writer in
                var offset = range.lowerBound
                while offset < range.upperBound {
                    let count = Int(min(Int64(Self.pieceLength), range.upperBound - offset))
                    let from = offset
                    let piece = try await NIOThreadPool.singleton.runIfActive {
                        try Self.read(opened, count: count, at: from)
                    }
                    guard piece.readableBytes > 0 else { throw Problem.failed("\(plain) is shorter than it was") }
                    offset += Int64(piece.readableBytes)
                    let timeout = channel.eventLoop.scheduleTask(in: Self.pieceTimeout) { channel.close(promise: nil) }
                    defer { timeout.cancel() }
                    try await writer.write(piece)
                }
                try await writer.finish(nil)
            }
        }
    }

    /// Whether trusted metadata name the file, or did lately: a client may have read them just before others took their place.
    private func isOffered(_ path: String, _ sha256: String, _ publication: Publication) async throws -> Bool {
        if publication.trusted.loadedTargetFile(path)?.hashes.fileNamePrefix == sha256 { return true }
        // A release that is named no more is withdrawn; documents follow each other.
        guard [FleetPolicy.targetPath, SSHTrust.targetPath, RevocationMetadata.targetPath].contains(path) else {
            return false
        }
        return try await store.read { try $0.hasFile(sha256: sha256, path: path) }
    }

    private func open(_ sha256: String) throws -> OpenFile {
        do throws(SystemError) {
            return try OpenFile(state.file(sha256))
        } catch {
            guard error.isMissing else { throw error }
            throw Problem.missing("the file with SHA-256 \(sha256) was not uploaded yet")
        }
    }

    private static func read(_ file: OpenFile, count: Int, at offset: Int64) throws -> ByteBuffer {
        var buffer = ByteBuffer()
        try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) {
            try file.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[..<count]), at: offset)
        }
        return buffer
    }
}
