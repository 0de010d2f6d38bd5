import MusterClient
import MusterModel
import SignatureVerification
import TUF

/// The fleet service's TUF repository, below `/tuf/targets/`.
public struct HTTPPackageSource: PackageSource {
    private let service: ServiceAddress
    private let transport: HTTPTransport
    private let idleSeconds: Int64

    /// The repository of a service; a transfer that is silent for `idleSeconds` is given up.
    public init(service: ServiceAddress, transport: HTTPTransport, idleSeconds: Int64 = 30) {
        self.service = service
        self.transport = transport
        self.idleSeconds = idleSeconds
    }

    /// Asks for the rest of the file by a range request.
    public func read(
        _ target: UpgradeBody.Target,
        from offset: Int64,
        start: (Int64) throws(DownloadError) -> Void,
        receive: ([UInt8]) throws(DownloadError) -> Void
    ) async throws(DownloadError) {
        let file = TargetFile(path: target.path, length: target.length, hashes: FileHashes(sha256: target.sha256))
        guard let address = TargetPath.address(of: file, consistentSnapshot: true) else {
            throw DownloadError(.wrongContent, "\(target.path) is not a safe path")
        }
        let url = service.url("/tuf/targets/" + address)
        let range = offset > 0 ? [("Range", "bytes=\(offset)-")] : []
        let stream: HTTPStream
        do {
            stream = try await transport.open(
                HTTPRequest(url, headers: [("User-Agent", "muster")] + range, seconds: idleSeconds)
            )
        } catch {
            throw DownloadError(.unreachable, "cannot fetch \(url): \(error)")
        }
        try start(try Self.offset(of: stream, asked: offset, url))
        do {
            try await stream.forEach(idleSeconds: idleSeconds) { try receive($0) }
        } catch let error as DownloadError {
            throw error
        } catch HTTPTransportError.timedOut {
            throw DownloadError(.tooSlow, "\(url) sent nothing for \(idleSeconds) seconds")
        } catch {
            throw DownloadError(.unreachable, "\(url) broke off: \(error)")
        }
    }

    /// Where the answer's bytes begin in the file.
    private static func offset(of stream: HTTPStream, asked: Int64, _ url: String) throws(DownloadError) -> Int64 {
        switch stream.status {
        case 200: return 0
        case 206:
            guard stream.header("Content-Range")?.hasPrefix("bytes \(asked)-") == true else {
                throw DownloadError(.unreachable, "\(url) answered with a range that was not asked for")
            }
            return asked
        case 404, 403, 410: throw DownloadError(.missing, "the service does not have \(url)")
        default: throw DownloadError(.unreachable, "\(url) answered with status \(stream.status)")
        }
    }
}
