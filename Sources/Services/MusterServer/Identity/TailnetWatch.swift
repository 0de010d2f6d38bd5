import MusterModel
import MusterStore
import ServiceLifecycle
import Tailnet

/// Looks at everybody on the tailnet now and then: for the node list, and so that the poll of a node whose tailnet key changed,
/// or who is gone, is looked at again soon: the one is told to open a new session, the other hears nothing more.
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
        guard let everybody = await service.gate.refresh() else { return }
        for entry in service.nodes.all {
            guard let bound = entry.node.tailnet, !bound.id.hasPrefix("address:"),
                everybody[bound.id]?.key != bound.key
            else { continue }
            service.nodePolls.announce(entry.node.id)
        }
    }
}
