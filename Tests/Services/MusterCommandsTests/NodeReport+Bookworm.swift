import MusterAPI

extension NodeReport {
    /// What a machine with Debian 12 says of itself.
    static func bookworm(
        packages: [String: String] = [:],
        architecture: String = "amd64",
        ssh: SSHReport? = nil
    ) -> NodeReport {
        NodeReport(
            agentVersion: "0.1",
            osRelease: "Debian GNU/Linux 12 (bookworm)",
            kernel: "6.1",
            architecture: architecture,
            bootID: "b",
            uptimeSeconds: 90,
            packages: packages,
            ssh: ssh
        )
    }
}
