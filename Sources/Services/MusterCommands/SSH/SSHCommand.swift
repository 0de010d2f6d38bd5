import ArgumentParser

struct SSHCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ssh",
        abstract: "Log in on nodes with short-lived certificates, and look after those.",
        discussion: """
            'muster ssh HOST' makes a key, has you sign a statement, gets a certificate that is good for this account, this
            node and an hour, and runs ssh. Your own key only signs; no node ever has it.
            """,
        subcommands: [
            SSHConnect.self, SSHObtain.self, SSHConfig.self, SSHList.self, SSHApprove.self, SSHDeny.self,
            SSHRevoke.self, SSHRotate.self, SSHExplain.self, SSHEnable.self, SSHStatus.self,
        ],
        defaultSubcommand: SSHConnect.self
    )
}
