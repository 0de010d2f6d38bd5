import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// HTTP/1.1 as muster uses it, over one event loop thread.
///
/// It follows no redirect, takes no proxy from the environment, decompresses nothing (so a small answer cannot become a
/// large one), reads no body beyond its limit, and gives every exchange a deadline over head and body together.
public final class HTTPTransport: Sendable {
    /// How connections are made.
    public struct Options: Sendable {
        /// A PEM file of the certificate authorities to believe instead of the system's.
        public var trustRootsFile: String?
        /// The local IP address to connect from.
        public var localAddress: String?
        /// Seconds that connecting may take.
        public var connectSeconds: Int64 = 10
        /// Most connections kept to one service.
        public var connections = 4

        /// The defaults: the system's certificate authorities, any local address.
        public init(trustRootsFile: String? = nil, localAddress: String? = nil) {
            self.trustRootsFile = trustRootsFile
            self.localAddress = localAddress
        }
    }

    private let group: MultiThreadedEventLoopGroup
    private let client: HTTPClient

    /// A transport; `close()` it, or it lives as long as the program.
    public init(_ options: Options = Options()) throws(HTTPTransportError) {
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: try Self.tls(options),
            redirectConfiguration: .disallow,
            timeout: .init(connect: .seconds(options.connectSeconds)),
            proxy: nil,
            ignoreUncleanSSLShutdown: false,
            decompression: .disabled
        )
        configuration.httpVersion = .http1Only
        configuration.localAddress = options.localAddress
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.idleTimeout = .seconds(30)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = options.connections
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        client = HTTPClient(eventLoopGroup: group, configuration: configuration)
    }

    /// Closes every connection and ends the thread.
    public func close() async {
        try? await client.shutdown()
        try? await group.shutdownGracefully()
    }

    /// Sends a request and reads the whole answer.
    public func exchange(_ request: HTTPRequest) async throws(HTTPTransportError) -> HTTPReply {
        let client = client
        return try await Deadline.run(seconds: request.seconds) { () async throws(HTTPTransportError) -> HTTPReply in
            let response = try await Self.start(request, client)
            var body: [UInt8] = []
            do {
                for try await part in response.body {
                    guard body.count + part.readableBytes <= request.limit else {
                        throw HTTPTransportError.tooLarge(limit: request.limit)
                    }
                    body.append(contentsOf: part.readableBytesView)
                }
            } catch {
                throw HTTPTransportError(error)
            }
            return HTTPReply(status: Int(response.status.code), headers: response.headers, body: body)
        }
    }

    /// Sends a request and returns once the head of the answer is there; the body is read part by part, and
    /// `request.seconds` counts for the head alone.
    ///
    /// The caller bounds size and pace.
    public func open(_ request: HTTPRequest) async throws(HTTPTransportError) -> HTTPStream {
        let client = client
        let response = try await Deadline.run(seconds: request.seconds) {
            () async throws(HTTPTransportError) -> HTTPClientResponse in try await Self.start(request, client)
        }
        return HTTPStream(response)
    }

    private static func start(
        _ request: HTTPRequest,
        _ client: HTTPClient
    ) async throws(HTTPTransportError) -> HTTPClientResponse {
        do {
            return try await client.execute(request.message, timeout: .seconds(request.seconds + 5))
        } catch let error as HTTPClientError where error == .remoteConnectionClosed && request.method == .get {
            // A kept connection that the other side closed at this moment; nothing was lost by asking again.
            do {
                return try await client.execute(request.message, timeout: .seconds(request.seconds + 5))
            } catch {
                throw HTTPTransportError(error)
            }
        } catch {
            throw HTTPTransportError(error)
        }
    }

    private static func tls(_ options: Options) throws(HTTPTransportError) -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        // BoringSSL leaves Ed25519 out unless it is named.
        tls.verifySignatureAlgorithms = [
            .ed25519, .ecdsaSecp256R1Sha256, .ecdsaSecp384R1Sha384, .rsaPssRsaeSha256, .rsaPssRsaeSha384,
            .rsaPssRsaeSha512, .rsaPkcs1Sha256, .rsaPkcs1Sha384, .rsaPkcs1Sha512,
        ]
        if let file = options.trustRootsFile {
            do {
                tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(file))
            } catch {
                throw .failed("cannot read certificate authorities from \(file): \(error)")
            }
        }
        return tls
    }
}
