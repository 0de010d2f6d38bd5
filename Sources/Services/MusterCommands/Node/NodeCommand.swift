import ArgumentParser

struct NodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node",
        abstract: "The fleet's nodes: list, show, approve, tag, hold, pin, extend, exempt, remove.",
        subcommands: [
            NodeList.self, NodeShow.self, NodeApprove.self, NodeTag.self, NodeHold.self, NodeUnhold.self,
            NodePin.self, NodeUnpin.self, NodeExtend.self, NodeExempt.self, NodeRemove.self,
        ]
    )
}
