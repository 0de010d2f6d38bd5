import ArgumentParser
import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterIdentity
import MusterModel

struct NodeShow: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Everything that is known of one node."
    )

    @Argument(help: "The node's id or name.") var node: String

    @Flag(help: "As JSON.") var json = false

    func run(_ context: CommandContext) async throws {
        let record = try await context.withService { service in
            let found = try await NodeChoice.find(node, service)
            return try await service.reading { try await $0.node(found.id, session: $1) }
        }
        if json {
            context.terminal.json(record.json)
            return
        }
        show(record, context)
    }

    private func show(_ node: NodeRecord, _ context: CommandContext) {
        let words = NodeWords(now: context.now())
        let terminal = context.terminal
        func row(_ name: String, _ value: StyledText) {
            let padding = String(repeating: " ", count: max(1, 14 - name.count))
            terminal.line(StyledText(name + padding, .faint) + value)
        }
        terminal.line(StyledText(node.name, .bold) + StyledText(" \(node.id)", .faint))
        row("state", words.state(node))
        row("seen", words.seen(node))
        row("tags", StyledText(node.tags.map(\.text).joined(separator: ", ")))
        row("address", StyledText(node.address))
        row("enrolled", StyledText("\(node.enrolled.wholeSeconds)"))
        for (name, value) in keys(node, context.now()) + tailnet(node, context.now()) { row(name, value) }
        if let report = node.report {
            row("agent", StyledText(report.agentVersion))
            row("system", StyledText("\(report.osRelease), \(report.kernel), \(report.architecture)"))
            row("up", StyledText(Moments.span(Int(clamping: report.uptimeSeconds))))
            row("trusts", StyledText("timestamp \(report.timestampVersion), policy \(report.policyVersion)"))
        }
        for package in node.packages { row("package", words.package(package)) }
        for (name, value) in words.holds(node) { row(name, value) }
        if let reboot = node.report?.rebootNeeded, !reboot.isEmpty { row("reboot", StyledText(reboot, .warning)) }
        for (name, value) in (node.report?.metrics ?? [:]).sorted(by: { $0.key < $1.key }) {
            row("metric", StyledText("\(name) \(Thousandths.text(value))"))
        }
        if node.report?.reachesOthers == true { row("reaches", StyledText("other nodes that confirm an upgrade")) }
        for listener in node.report?.listeners ?? [] {
            row("listens", StyledText("\(listener.transport) \(listener.address):\(listener.port)"))
        }
        for step in node.report?.progress ?? [] {
            let reason = step.reason.isEmpty ? "" : ": \(step.reason)"
            row("rollout", StyledText("\(step.rollout.text.prefix(8)) \(step.state.rawValue)\(reason)"))
        }
    }

    private func keys(_ node: NodeRecord, _ now: UTCTime) -> [(String, StyledText)] {
        guard let key = node.key else { return [] }
        let words = NodeKeyWords(now: now)
        var text = StyledText("\(Moments.span(Int(clamping: now.seconds - key.since.seconds))) old")
        if let own = NodeKeyWords.subjects(node).first(where: { $0.kind == .nodeKey }) {
            let verb = own.expires > now ? "expires in " : ""
            let style = NodeKeyWords.style(own.threshold(at: now))
            text = text + ", " + StyledText("\(verb)\(words.rest(own.expires)) (\(own.expires.wholeSeconds))", style)
        }
        if key.isExempt { text = text + ", exempt from expiry" }
        if key.state == "due" { text = text + ", its agent is to replace it now" }
        if let until = key.extendedUntil, until > now {
            text = text + StyledText(", extended until \(until.wholeSeconds)", .loud)
        }
        return [("node key", text)]
    }

    private func tailnet(_ node: NodeRecord, _ now: UTCTime) -> [(String, StyledText)] {
        guard let tailnet = node.tailnet else { return [] }
        var rows = [("tailnet", StyledText(tailnet.name) + StyledText(" \(tailnet.id)", .faint))]
        if tailnet.addresses.count > 1 {
            rows.append(("addresses", StyledText(tailnet.addresses.joined(separator: ", "))))
        }
        if let login = tailnet.login { rows.append(("login", StyledText(login))) }
        if !tailnet.tags.isEmpty {
            rows.append(
                ("tailnet tags", StyledText(tailnet.tags.joined(separator: ", ")) + StyledText(" (not signed)", .faint))
            )
        }
        if !tailnet.key.isEmpty {
            var text = StyledText(tailnet.key, .faint)
            if let since = tailnet.keySince { text = text + StyledText(" since \(since.wholeSeconds)") }
            if let expires = tailnet.keyExpires {
                let style = NodeKeyWords.style(.reached(by: expires, at: now))
                text = text + StyledText(", \(NodeKeyWords(now: now).rest(expires)) (\(expires.wholeSeconds))", style)
            }
            rows.append(("tailnet key", text))
        }
        if let handshake = tailnet.lastHandshake {
            rows.append(("handshake", StyledText(Moments.ago(handshake, now: now))))
        }
        if let seen = tailnet.lastSeen { rows.append(("on tailnet", StyledText(Moments.ago(seen, now: now)))) }
        return rows
    }
}
