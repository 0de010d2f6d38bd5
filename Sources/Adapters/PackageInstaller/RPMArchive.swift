import CLibArchive
import MusterSystem
import RPMPackage
import SignatureVerification

/// An rpm file, read by our own reader and, for its payload, libarchive.
enum RPMArchive {
    /// The identity of a file that is whole: the digests that it states fit, and its payload unpacks within limits.
    static func inspect(_ file: OpenFile, length: Int64) throws(PackageError) -> RPMIdentity {
        do throws(PackageError) {
            let (head, bytes) = try head(of: file)
            if let digest = head.headerDigest, Digest.sha256(Array(bytes[head.headerRange])) != digest {
                throw PackageError(.malformed, "its header has another SHA-256 than it states")
            }
            try checkPayload(file, head)
            try readPayload(file, head, limit: ArchiveLimits.dataBytes(length: length))
            return head.identity
        } catch {
            throw PackageError(error.code, "\(file.path) is refused: \(error.message)")
        }
    }

    /// What comes before the payload, and its bytes.
    static func head(of file: OpenFile) throws(PackageError) -> (head: RPMHead, bytes: [UInt8]) {
        let start = try read(file, RPMLayout.leadLength + RPMLayout.introLength, at: 0)
        do throws(RPMPackageError) {
            let header = try RPMLayout.headerOffset(start)
            let intro = try reading { () throws(PackageError) in try read(file, RPMLayout.introLength, at: header) }
            let payload = try RPMLayout.payloadOffset(headerOffset: header, intro)
            let bytes = try reading { () throws(PackageError) in try read(file, payload, at: 0) }
            return (try RPMHead(parsing: bytes), bytes)
        } catch {
            throw PackageError(.malformed, "its \(error)")
        }
    }

    /// A short file is malformed, whichever of the two errors says so.
    private static func reading(_ body: () throws(PackageError) -> [UInt8]) throws(RPMPackageError) -> [UInt8] {
        do throws(PackageError) {
            return try body()
        } catch {
            throw RPMPackageError(location: "header", reason: error.message)
        }
    }

    private static func read(_ file: OpenFile, _ count: Int, at offset: Int) throws(PackageError) -> [UInt8] {
        do throws(SystemError) {
            guard try file.length() >= Int64(offset) + Int64(count) else {
                throw SystemError("read", file.path, because: "it ends too early")
            }
            let bytes = try file.bytes(count, at: Int64(offset))
            guard bytes.count == count else { throw SystemError("read", file.path, because: "it ends too early") }
            return bytes
        } catch {
            throw PackageError(error.code == 0 ? .malformed : .unreadable, "\(error)")
        }
    }

    /// Compares the payload as it lies in the file with the digest that the header states.
    private static func checkPayload(_ file: OpenFile, _ head: RPMHead) throws(PackageError) {
        guard let stated = head.payloadDigest else { return }
        var digest = StreamingDigest(.sha256)
        var skip = head.payloadOffset
        do throws(SystemError) {
            try file.forEachPiece { piece in
                let rest = piece.dropFirst(skip)
                skip -= piece.count - rest.count
                if !rest.isEmpty { digest.update(UnsafeRawBufferPointer(rebasing: rest)) }
            }
        } catch {
            throw PackageError(error)
        }
        guard digest.finish() == stated else {
            throw PackageError(.malformed, "its payload has another SHA-256 than its header states")
        }
    }

    /// What a header calls its payload's compression.
    private static let compressions: [String: ArchiveCompression] = [
        "": .plain, "gzip": .gzip, "xz": .xz, "zstd": .zstd, "bzip2": .bzip2, "lzma": .lzma,
    ]

    private static func readPayload(_ file: OpenFile, _ head: RPMHead, limit: Int64) throws(PackageError) {
        guard let compression = compressions[head.compression] else {
            throw PackageError(
                .malformed,
                "its payload is compressed by \(head.compression.prefix(40).debugDescription)"
            )
        }
        let reader = try ArchiveReader(.file(file, from: Int64(head.payloadOffset))) { library, handle in
            compression.enable(library, handle)
            _ = library.archive_read_support_format_cpio(handle)
        }
        var budget = ArchiveBudget(bytes: limit, entries: ArchiveLimits.payloadEntries)
        while let header = try reader.next() {
            let entry = try ArchiveEntry(header, of: reader)
            try budget.take(reader, entry, limit: budget.bytes) { _ in }
        }
    }
}
