import ByteCoding
import Logging
import MusterStore
import MusterSystem
import ServiceLifecycle
import Synchronization
import UnixSignals

/// A fleet service that listens.
final class FleetServer: Sendable {
    let service: FleetService
    private let addresses: [ListenAddress]
    private let bound = Mutex([String]())
    private let onListening: @Sendable ([String]) -> Void

    /// Opens the service; `onListening` is told every address once all are bound.
    init(
        _ options: ServeOptions,
        log: Logger,
        onListening: @escaping @Sendable ([String]) -> Void
    ) async throws {
        addresses = try options.listen.map { text in
            guard let address = ListenAddress(text) else {
                throw SystemError("listen on", text, because: "it is not ADDRESS:PORT with a numeric address")
            }
            guard address.isPrivate || options.tls != nil else {
                throw SystemError(
                    "listen on",
                    text,
                    because: "it is neither loopback nor a tailnet address: give --tls-certificate and --tls-key"
                )
            }
            return address
        }
        self.onListening = onListening
        service = try await FleetService(options, log: log)
        try await service.start()
    }

    /// Serves until it is told to stop, by a signal or by graceful shutdown of the group it runs in.
    func run(signals: [UnixSignal] = [.sigterm, .sigint]) async throws {
        let routes = Routes(service)
        let scheme = service.options.tls == nil ? "http" : "https"
        var services: [any Service] = [Upkeep(service: service)]
        for address in addresses {
            let server = HTTPServer(address: address, routes: routes, log: service.log) { [self] address, port in
                let host = address.host.contains(":") ? "[\(address.host)]" : address.host
                noteListening("\(scheme)://\(host):\(port)")
            }
            services.append(try server.service())
        }
        services.append(PollEnding(service: service))
        var configuration = ServiceGroupConfiguration(
            services: services,
            gracefulShutdownSignals: signals,
            logger: service.log
        )
        configuration.maximumGracefulShutdownDuration = .milliseconds(1500)
        do {
            try await ServiceGroup(configuration: configuration).run()
        } catch {
            try await service.end()
            throw error
        }
        try await service.end()
    }

    private func noteListening(_ url: String) {
        let all = bound.withLock { bound in
            bound.append(url)
            return bound.count == addresses.count ? bound : []
        }
        guard !all.isEmpty else { return }
        do {
            try AtomicFile.write(
                Array((all.joined(separator: "\n") + "\n").utf8),
                to: service.state.address,
                mode: 0o644
            )
        } catch {
            service.log.error("\(error)")
        }
        onListening(all)
        ServiceNotification.ready(status: "listening on \(all.joined(separator: ", "))")
    }
}
