import ArgumentParser

struct NodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node",
        abstract: "The fleet's nodes: list, show, approve, tag.",
        subcommands: [NodeList.self, NodeShow.self, NodeApprove.self, NodeTag.self]
    )
}
