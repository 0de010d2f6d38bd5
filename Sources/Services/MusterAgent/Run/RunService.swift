import MusterAPI
import MusterModel

/// The fleet service as runs need it.
public protocol RunService: Sendable {
    /// Tells the service how far this node is with a run; returns once the service has it on its disk.
    func update(_ run: RunID, _ update: RunUpdate) async throws(FleetServiceError) -> RunUpdateReply
}
