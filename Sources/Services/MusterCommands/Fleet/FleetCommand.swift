import ArgumentParser

struct FleetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fleet",
        abstract: "Make a fleet, join one, look at it, renew its root.",
        subcommands: [
            FleetInit.self, FleetJoin.self, FleetShow.self, FleetRenew.self, FleetSign.self, FleetMerge.self,
            FleetPublish.self,
        ]
    )
}
