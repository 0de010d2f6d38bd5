import ArgumentParser

struct EnrollCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enroll",
        abstract: "Let nodes join the fleet.",
        subcommands: [EnrollToken.self, EnrollList.self]
    )
}
