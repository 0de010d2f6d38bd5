import MusterModel
import MusterStore
import ServiceLifecycle
import Tailnet

/// Looks at everybody on the tailnet now and then: for the node list, and so that a node whose tailnet key changed is asked
/// for a new session soon, even while it only waits.
struct TailnetWatch: Service {
    let service: FleetService

    /// Runs until the service ends.
    func run() async throws {
        guard service.gate.hasTailnet else {
            try? await gracefulShutdown()
            return
        }
        try? await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await look()
                try await Task.sleep(for: .seconds(service.options.tailnetWatchSeconds))
            }
        }
    }

    /// One look.
    func look() async {
        let everybody = await service.gate.refresh()
        guard !everybody.isEmpty else { return }
        for entry in service.nodes.all {
            guard let bound = entry.node.tailnet, let now = everybody[bound.id], now.key != bound.key else { continue }
            service.nodePolls.announce(entry.node.id)
        }
    }
}
