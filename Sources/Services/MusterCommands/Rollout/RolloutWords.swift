import ByteCoding
import MusterAPI
import MusterModel

/// How rollouts are put into words.
enum RolloutWords {
    /// What a statement asks for.
    static func lines(of body: UpgradeBody, isRollBack: Bool) -> [StyledText] {
        let verb = isRollBack ? "roll back" : "upgrade"
        let strategy = body.strategy
        var lines = [
            StyledText("\(verb) \(body.package) to \(body.version)", .bold)
                + StyledText(" on \(selectors(body.nodes, listed: 8))")
        ]
        for target in body.targets {
            lines.append(
                StyledText(
                    "  \(target.path), \(Moments.size(target.length)), sha256 \(Hex.encode(target.sha256).prefix(16))…",
                    .faint
                )
            )
        }
        lines.append(
            StyledText(
                "  stages \(StageList(strategy.stages).text), \(Moments.span(strategy.bakeSeconds)) between, "
                    + "at most \(strategy.maxInFlight) at once, halts after \(strategy.maxFailures + 1) failed"
            )
        )
        lines.append(
            StyledText(
                "  a node must begin within \(Moments.span(strategy.startDeadlineSeconds)) and confirm within "
                    + Moments.span(strategy.finishDeadlineSeconds)
            )
        )
        return lines + spread(strategy).map { StyledText("  " + $0) }
    }

    /// The selectors: each that may mean many nodes, and of those that name one the first few and how many more.
    private static func selectors(_ selectors: [NodeSelector], listed: Int) -> String {
        let shown = selectors.wideFirst.prefix(max(listed, selectors.count { $0.isWide }))
        let more = selectors.count - shown.count
        return shown.map(\.description).joined(separator: ", ") + (more > 0 ? " and \(more) more" : "")
    }

    /// What else a strategy says, a line each.
    private static func spread(_ strategy: RolloutStrategy) -> [String] {
        var lines: [String] = []
        if !strategy.groups.isEmpty {
            let groups = strategy.groups.map { group in
                "\(group.name) (\(selectors(group.nodes, listed: 4)))"
            }
            lines.append(
                "groups \(groups.joined(separator: ", then ")), then the safety group of all others, "
                    + "\(strategy.safetyInFlight) at once"
            )
        }
        if !strategy.tagInFlight.isEmpty {
            let limits = strategy.tagInFlight.sorted { $0.key < $1.key }.map { "\($0.value) of tag:\($0.key)" }
            lines.append("never more at once than \(limits.joined(separator: ", "))")
        }
        if let percent = strategy.maxFailurePercent {
            lines.append("bears more failures while they are at most \(percent)% of the nodes that are done")
        }
        for metric in strategy.metrics {
            lines.append(
                "halts when \(metric.name) is \(metric.percent)% \(metric.worse.rawValue) on \(metric.least) or more "
                    + "upgraded nodes"
            )
        }
        return lines
    }

    /// `hello 2.10-3`, or `hello back to 2.10-2`.
    static func change(_ record: RolloutRecord) -> String {
        guard let body = record.statement.statement.body.packageChange else { return "" }
        return record.statement.statement.type == .rollBack
            ? "\(body.package) back to \(body.version)" : "\(body.package) \(body.version)"
    }

    /// The state in its style, with its reason.
    static func state(_ record: RolloutRecord) -> StyledText {
        let style: StyledText.Style =
            switch record.state {
            case "complete": .good
            case "halted": .loud
            case "waiting-for-approval", "cancelled", "expired": .warning
            default: .plain
            }
        let reason = record.reason.isEmpty ? "" : ": \(record.reason)"
        let hold = record.hold.map { StyledText(", \(self.hold($0))", .warning) } ?? ""
        return StyledText(record.state, style) + StyledText(reason) + hold
    }

    /// `holds until 2026-11-24T22:00:00Z: outside its hours (…)`.
    static func hold(_ hold: RolloutRecord.Hold) -> String {
        "holds\(hold.until.map { " until \($0.wholeSeconds)" } ?? ""): \(hold.reason)"
    }

    /// Whether nothing more happens by itself.
    static func isOver(_ record: RolloutRecord) -> Bool {
        ["complete", "halted", "cancelled", "expired"].contains(record.state)
    }
}

extension NodeSelector {
    /// Whether it may mean more than one node.
    var isWide: Bool {
        if case .node = self { false } else { true }
    }
}

extension [NodeSelector] {
    /// `*`, then tags, then single nodes: what means most is read first.
    var wideFirst: [NodeSelector] {
        filter { $0 == .every } + filter { $0.isWide && $0 != .every } + filter { !$0.isWide }
    }
}
