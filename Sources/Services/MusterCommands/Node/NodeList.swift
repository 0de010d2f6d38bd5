import ArgumentParser
import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel

struct NodeList: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "The fleet's nodes at a glance.",
        discussion: """
            '+' beside a version means that a newer release is there; 'security' that it should not wait. '->' shows the
            version that an open rollout gives the node.
            """
    )

    enum Order: String, ExpressibleByArgument, CaseIterable {
        case name
        case seen
        case version
    }

    @Option(name: .customLong("tag"), help: ArgumentHelp("Only nodes with this tag.", valueName: "tag"))
    var tag: TagArgument?

    @Option(help: ArgumentHelp("Only nodes in this state: online, offline or new.", valueName: "state"))
    var state: String?

    @Flag(help: "Only nodes with a newer release than they have.") var outdated = false

    @Option(help: "Sort by name, when last seen, or version.") var sort = Order.name

    @Flag(help: "As JSON.") var json = false

    func run(_ context: CommandContext) async throws {
        let nodes = try await context.withService { service in
            try await service.authorized { try await $0.nodes(session: $1) }
        }
        let chosen = nodes.filter(isMeant).sorted(by: precedes)
        if json {
            context.terminal.json(["items": .array(chosen.map(\.json))])
            return
        }
        guard !chosen.isEmpty else {
            context.terminal.note(nodes.isEmpty ? "no nodes yet: muster enroll token" : "no node is like that")
            return
        }
        let words = NodeWords(now: context.now())
        var table = Table("NAME", "TAGS", "ADDRESS", "AGENT", "PACKAGES", "SEEN", "STATE")
        for node in chosen {
            table.row(
                StyledText(node.name, .bold),
                StyledText(node.tags.map(\.text).joined(separator: ",")),
                StyledText(node.address),
                StyledText(node.report?.agentVersion ?? "", .faint),
                words.packages(node),
                words.seen(node),
                words.state(node)
            )
        }
        context.terminal.table(table)
    }

    private func isMeant(_ node: NodeRecord) -> Bool {
        if let tag, !node.tags.contains(tag.tag) { return false }
        if let state, node.state != state { return false }
        return !outdated || node.packages.contains(where: \.updateAvailable)
    }

    private func precedes(_ left: NodeRecord, _ right: NodeRecord) -> Bool {
        let names = (left.name, left.id.text) < (right.name, right.id.text)
        switch sort {
        case .name: return names
        case .seen:
            let times = (left.lastSeen?.milliseconds ?? 0, right.lastSeen?.milliseconds ?? 0)
            return times.0 == times.1 ? names : times.0 > times.1
        case .version:
            let versions = (Self.versions(left), Self.versions(right))
            return versions.0 == versions.1 ? names : versions.0 < versions.1
        }
    }

    private static func versions(_ node: NodeRecord) -> String {
        node.packages.map { "\($0.name) \($0.installed)" }.joined(separator: " ")
    }
}
