import ArgumentParser

struct PolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Who may do what: check, test, explain, compare, sign and publish the fleet's policy.",
        subcommands: [
            PolicyCheck.self, PolicyTesting.self, PolicyExplain.self, PolicyDiff.self, PolicyPublish.self,
            PolicySign.self, PolicyMerge.self,
            PolicyShow.self,
        ]
    )
}
