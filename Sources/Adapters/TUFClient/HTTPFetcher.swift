import AsyncHTTPClient
import NIOCore
import NIOHTTP1

/// Fetches over HTTP: GET only, no redirects, no content encoding, bounded in size and in time.
public struct HTTPFetcher: TUFFetcher, TUFTargetSource {
    /// How slow a repository may be before it is given up: a trickle that never ends is an attack too.
    public struct Pace: Sendable {
        /// Seconds that are allowed to any transfer.
        public var grace: Int64 = 30
        /// Bytes that must have come for each further second.
        public var bytesPerSecond: Int64 = 2048

        /// Thirty seconds, then two kilobytes a second.
        public init() {}

        /// Seconds that a transfer of `bytes` may take.
        func seconds(for bytes: Int64) -> Int64 { grace + min(bytes, 1 << 50) / max(1, bytesPerSecond) }
    }

    private let connections: HTTPConnections
    private let base: String
    private let pace: Pace

    /// Fetches what is below the URL `base`.
    public init(_ base: String, connections: HTTPConnections, pace: Pace = Pace()) {
        self.base = base.hasSuffix("/") ? base : base + "/"
        self.connections = connections
        self.pace = pace
    }

    /// The bytes at `path`, or nil where the repository does not have them.
    public func fetch(_ path: String, limit: Int) async throws(TUFClientError) -> [UInt8]? {
        var bytes: [UInt8] = []
        let exists = try await get(path, limit: Int64(limit)) { piece throws(TUFClientError) in
            bytes.append(contentsOf: piece)
        }
        return exists ? bytes : nil
    }

    /// Hands the file at `path` to `receive`.
    public func stream(
        _ path: String,
        limit: Int64,
        receive: (UnsafeRawBufferPointer) throws(TUFClientError) -> Void
    ) async throws(TUFClientError) {
        guard try await get(path, limit: limit, receive: receive) else {
            throw .fetch(address: base + path, reason: "the repository does not have it")
        }
    }

    /// Whether there is such a file; its content goes to `receive`.
    private func get(
        _ path: String,
        limit: Int64,
        receive: (UnsafeRawBufferPointer) throws(TUFClientError) -> Void
    ) async throws(TUFClientError) -> Bool {
        let address = base + path
        do {
            let start = NIODeadline.now()
            let response = try await connections.get(address, deadline: start + .seconds(pace.seconds(for: limit)))
            switch response.status {
            case .ok: break
            case .notFound, .forbidden: return false
            default: throw TUFClientError.fetch(address: address, reason: "status \(response.status.code)")
            }
            var received: Int64 = 0
            for try await buffer in response.body {
                received += Int64(buffer.readableBytes)
                guard received <= limit else {
                    throw TUFClientError.fetch(address: address, reason: "it is longer than \(limit) bytes")
                }
                guard NIODeadline.now() - start <= .seconds(pace.seconds(for: received)) else {
                    throw TUFClientError.fetch(address: address, reason: "it comes too slowly")
                }
                try buffer.withUnsafeReadableBytes { try receive($0) }
            }
            return true
        } catch let error as TUFClientError {
            throw error
        } catch {
            throw .fetch(address: address, reason: "\(error)")
        }
    }
}

/// The connections that fetchers share; to be shut down when done.
public final class HTTPConnections: Sendable {
    private let client: HTTPClient

    /// No connections yet.
    public init() {
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow,
            timeout: HTTPClient.Configuration.Timeout(connect: .seconds(10), read: .seconds(30)),
            decompression: .disabled
        )
        configuration.httpVersion = .http1Only
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    func get(_ address: String, deadline: NIODeadline) async throws -> HTTPClientResponse {
        var request = HTTPClientRequest(url: address)
        request.headers.add(name: "Accept-Encoding", value: "identity")
        request.headers.add(name: "User-Agent", value: "muster")
        return try await client.execute(request, deadline: deadline)
    }

    /// Closes all connections.
    public func shutdown() async {
        try? await client.shutdown()
    }
}
