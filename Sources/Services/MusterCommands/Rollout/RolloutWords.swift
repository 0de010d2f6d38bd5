import ByteCoding
import MusterAPI
import MusterModel

/// How rollouts are put into words.
enum RolloutWords {
    /// What a statement asks for.
    static func lines(of body: UpgradeBody, isRollBack: Bool) -> [StyledText] {
        let verb = isRollBack ? "roll back" : "upgrade"
        let strategy = body.strategy
        let nodes = body.nodes.prefix(8).map(\.description).joined(separator: ", ")
        let more = body.nodes.count > 8 ? " and \(body.nodes.count - 8) more" : ""
        var lines = [
            StyledText("\(verb) \(body.package) to \(body.version)", .bold) + StyledText(" on \(nodes)\(more)")
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
        return StyledText(record.state, style) + StyledText(reason)
    }

    /// Whether nothing more happens by itself.
    static func isOver(_ record: RolloutRecord) -> Bool {
        ["complete", "halted", "cancelled", "expired"].contains(record.state)
    }
}
