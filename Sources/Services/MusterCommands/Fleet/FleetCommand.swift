import ArgumentParser

struct FleetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fleet",
        abstract: "Make a fleet, join one, look at it.",
        subcommands: [FleetInit.self, FleetJoin.self, FleetShow.self]
    )
}
