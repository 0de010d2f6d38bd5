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

            KEY AGE is that of the node's own key. EXPIRES is when it, or the node's tailnet key, expires: quiet until 30
            days before, louder from 7 days and from 1 day on. SEEN is when the node was last in contact with the service,
            and when its tailnet heard of it (by a WireGuard handshake, for instance) where that is more recent.
            """
    )

    enum Order: String, ExpressibleByArgument, CaseIterable {
        case name
        case seen
        case version
        case expiry
    }

    @Option(name: .customLong("tag"), help: ArgumentHelp("Only nodes with this tag.", valueName: "tag"))
    var tag: TagArgument?

    @Option(help: ArgumentHelp("Only nodes in this state: online, offline, new or key-expired.", valueName: "state"))
    var state: String?

    @Flag(help: "Only nodes with a newer release than they have.") var outdated = false

    @Option(help: ArgumentHelp("Only nodes with a key that expires within so many days.", valueName: "days"))
    var expiresWithin: Int?

    @Option(help: "Sort by name, when last seen, version, or which key expires first.") var sort = Order.name

    @Flag(help: "As JSON.") var json = false

    func validate() throws {
        guard (0...3650).contains(expiresWithin ?? 0) else {
            throw ValidationError("--expires-within is not within 0 to 3650 days")
        }
    }

    func run(_ context: CommandContext) async throws {
        let nodes = try await context.withService { service in
            try await service.reading { try await $0.nodes(session: $1) }
        }
        let chosen = nodes.filter { isMeant($0, at: context.now()) }.sorted(by: precedes)
        if json {
            context.terminal.json(["items": .array(chosen.map(\.json))])
            return
        }
        guard !chosen.isEmpty else {
            context.terminal.note(nodes.isEmpty ? "no nodes yet: muster enroll token" : "no node is like that")
            return
        }
        context.terminal.table(table(chosen, now: context.now()))
    }

    private func table(_ nodes: [NodeRecord], now: UTCTime) -> Table {
        let words = NodeWords(now: now)
        let keys = NodeKeyWords(now: now)
        var table = Table(
            "NAME",
            "TAGS",
            "TAILNET",
            "ADDRESS",
            "KEY AGE",
            "EXPIRES",
            "AGENT",
            "PACKAGES",
            "SEEN",
            "STATE"
        )
        for node in nodes {
            table.row(
                StyledText(node.name, .bold),
                StyledText(node.tags.map(\.text).joined(separator: ",")),
                StyledText(node.tailnet?.name ?? ""),
                StyledText(node.address),
                keys.age(node),
                keys.expiry(node),
                StyledText(node.report?.agentVersion ?? "", .faint),
                words.packages(node),
                words.seen(node),
                words.state(node)
            )
        }
        return table.withoutEmptyColumns
    }

    private func isMeant(_ node: NodeRecord, at now: UTCTime) -> Bool {
        if let tag, !node.tags.contains(tag.tag) { return false }
        if let state, node.state != state { return false }
        if let expiresWithin {
            let limit = now.adding(seconds: Int64(expiresWithin) * 86400)
            guard let first = NodeKeyWords.firstExpiry(node), first <= limit else { return false }
        }
        return !outdated || node.packages.contains(where: \.updateAvailable)
    }

    private func precedes(_ left: NodeRecord, _ right: NodeRecord) -> Bool {
        let names = (left.name, left.id.text) < (right.name, right.id.text)
        switch sort {
        case .name: return names
        case .seen:
            let times = (left.lastSeen?.milliseconds ?? 0, right.lastSeen?.milliseconds ?? 0)
            return times.0 == times.1 ? names : times.0 > times.1
        case .expiry:
            let expiries = (NodeKeyWords.firstExpiry(left), NodeKeyWords.firstExpiry(right))
            guard expiries.0 != expiries.1 else { return names }
            guard let first = expiries.0 else { return false }
            return expiries.1.map { first < $0 } ?? true
        case .version:
            let versions = (Self.versions(left), Self.versions(right))
            return versions.0 == versions.1 ? names : versions.0 < versions.1
        }
    }

    private static func versions(_ node: NodeRecord) -> String {
        node.packages.map { "\($0.name) \($0.installed)" }.joined(separator: " ")
    }
}
