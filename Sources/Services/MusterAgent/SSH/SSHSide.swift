import MusterAPI

/// What reports say of the node's sshd.
public protocol SSHReporting: Sendable {
    /// How it is now, and the number of the last login in it; nil where the node has no SSH side.
    func report() async -> (report: SSHReport, through: Int64)?

    /// The service has a report with logins up to this number on its disk.
    func delivered(through number: Int64) async
}

/// Where host certificates come from.
public protocol HostCertificateSource: Sendable {
    /// Certificates of these public keys, one line each, in their order; not believed yet.
    func hostCertificates(for keys: [String]) async throws(FleetServiceError) -> [String]
}
