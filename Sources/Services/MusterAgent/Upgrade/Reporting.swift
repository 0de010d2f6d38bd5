/// Tells the service how the node is.
public protocol Reporting: Sendable {
    /// Sends a report of how the node is now; nil when the service has it, else why not within `seconds`.
    func report(within seconds: Int64) async -> String?
}
