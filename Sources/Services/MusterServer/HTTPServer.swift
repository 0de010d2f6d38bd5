import HTTPTypes
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Logging
import MusterAPI
import NIOCore
import NIOPosix
import NIOSSL
import ServiceLifecycle

/// Listens on one address: the connections, their limits, and nothing of what is said on them.
struct HTTPServer {
    let address: ListenAddress
    let routes: Routes
    let log: Logger
    /// Told the port once it is bound.
    let onListening: @Sendable (ListenAddress, Int) async -> Void

    /// Headers of all our clients together are far below this.
    private static let headerLimit = 32 * 1024
    /// After an answer that ends the connection, what still arrives is thrown away for so long.
    private static let lingering = TimeAmount.seconds(2)

    /// The server as a service.
    func service() throws -> any Service {
        let options = routes.service.options
        let channel = HTTP1Channel.Configuration(
            idleTimeout: .seconds(options.idleSeconds),
            httpDecoderConfiguration: .init(
                maxHeaderFieldSize: Self.headerLimit,
                maxHeaderListSize: Self.headerLimit,
                maxHeaderFieldCount: 100
            )
        )
        var builder = HTTPServerBuilder { responder in
            LoopConnection(http: HTTP1Channel(responder: responder, configuration: channel))
        }
        if let tls = options.tls { builder = try .tls(builder, tlsConfiguration: Self.configuration(tls)) }
        let routes = routes
        return try builder.buildServer(
            configuration: ServerConfiguration(
                address: .hostname(address.host, port: address.port),
                backlog: 1024,
                availableConnectionsDelegate: .maximum(options.maxConnections, logger: log)
            ),
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            logger: log,
            responder: { request, writer, channel in
                let call = Call(request: request, channel: channel, time: routes.service.options.clock())
                var response = await routes.answer(call)
                response.headers[.date] = DateHeader.shared.text(call.time)
                if response.headers[.connection] == "close" {
                    channel.eventLoop.scheduleTask(in: Self.lingering) { channel.close(promise: nil) }
                }
                try await writer.write(response: response.head, body: response.body)
            },
            onServerRunning: { [address, onListening] channel in
                await onListening(address, channel.localAddress?.port ?? address.port)
            }
        )
    }

    private static func configuration(_ tls: (certificate: String, key: String)) throws -> TLSConfiguration {
        let chain = try NIOSSLCertificate.fromPEMFile(tls.certificate).map { NIOSSLCertificateSource.certificate($0) }
        let key = try NIOSSLPrivateKey(file: tls.key, format: .pem)
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain,
            privateKey: .privateKey(key)
        )
        configuration.minimumTLSVersion = .tlsv12
        return configuration
    }
}
