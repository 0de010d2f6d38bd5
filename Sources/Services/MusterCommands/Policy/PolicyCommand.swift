import ArgumentParser

struct PolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Who may do what: check, sign and publish the fleet's policy.",
        subcommands: [
            PolicyCheck.self, PolicyPublish.self, PolicySign.self, PolicyMerge.self, PolicyShow.self,
        ]
    )
}
