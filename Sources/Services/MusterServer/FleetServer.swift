import ByteCoding
import Glibc
import Logging
import MusterModel
import MusterStore
import MusterSystem
import ServiceLifecycle
import Synchronization
import Tailnet
import UnixSignals

/// A fleet service that listens.
final class FleetServer: Sendable {
    let service: FleetService
    private let addresses: [ListenAddress]
    private let bound = Mutex([String]())
    private let onListening: @Sendable (Greeting) -> Void
    /// How long to wait before the tailnet is asked again at the start.
    private static let pause = Duration.milliseconds(500)

    /// Opens the service; `onListening` is told what to say once all addresses are bound.
    init(
        _ options: ServeOptions,
        log: Logger,
        onListening: @escaping @Sendable (Greeting) -> Void
    ) async throws {
        let names = SignedNames(file: options.wireGuardNames, log: log)
        let source =
            options.tailnetSource
            ?? options.tailnet.source(names: { await names.current() }, socketExists: { access($0, F_OK) == 0 })
        let gate = TailnetGate(source, options, log: log)
        let own = try await Self.own(gate, options, log)
        addresses = try ListenPlan.addresses(
            asked: options.listen,
            port: options.port,
            own: own?.addresses ?? [],
            usesTLS: options.tls != nil
        )
        self.onListening = onListening
        service = try await FleetService(options, gate: gate, names: names, log: log)
        try await service.start()
    }

    /// This machine on the tailnet, which may come up after us when the machine starts; nil without a tailnet.
    private static func own(
        _ gate: TailnetGate,
        _ options: ServeOptions,
        _ log: Logger
    ) async throws -> TailnetIdentity? {
        let until = ContinuousClock.now + options.tailnetPatience
        var isFirst = true
        while true {
            do throws(TailnetError) {
                return try await gate.learnOwn()
            } catch {
                guard ContinuousClock.now < until else {
                    throw TailnetError("\(error); give --tailnet none to do without one")
                }
                if isFirst { log.notice("waiting for the tailnet: \(error)") }
                isFirst = false
            }
            try await Task.sleep(for: pause)
        }
    }

    /// Serves until it is told to stop, by a signal or by graceful shutdown of the group it runs in.
    func run(signals: [UnixSignal] = [.sigterm, .sigint]) async throws {
        let routes = Routes(service)
        let scheme = service.options.tls == nil ? "http" : "https"
        var services: [any Service] = [
            Upkeep(service: service), TailnetWatch(service: service), NoticeService(service: service),
        ]
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
        let fleet = service.repository.current?.fleet.text
        onListening(Greeting(urls: all, own: service.gate.ownIdentity, fleet: fleet))
        ServiceNotification.ready(status: "listening on \(all.joined(separator: ", "))")
    }
}
