import MusterAPI

/// The fleet service as a node needs it; sessions are the implementation's business.
public protocol FleetService: Sendable {
    /// Tells the service how the node is; returns once the service has it on its disk.
    func report(_ report: NodeReport) async throws(FleetServiceError) -> ReportReply

    /// The newest manifest after `sequence`, as it came and not believed yet, waiting at most `wait` seconds for one;
    /// nil where there is none.
    func manifest(after sequence: Int64, wait: Int) async throws(FleetServiceError) -> [UInt8]?
}

/// Why the service could not be used.
public struct FleetServiceError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was tried and why it failed.
    public let message: String
    /// Whether the service says that it has removed this node from the fleet.
    public let isRemoval: Bool

    /// A failure.
    public init(_ message: String, isRemoval: Bool = false) {
        self.message = message
        self.isRemoval = isRemoval
    }

    /// The message.
    public var description: String { message }
}
