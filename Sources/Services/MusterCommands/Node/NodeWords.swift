import ByteCoding
import MusterAPI
import MusterModel

/// How a node's parts are put into words.
struct NodeWords: Sendable {
    let now: UTCTime

    /// `hello 2.10-2 -> 2.10-3 +`, quiet unless it is about security.
    func packages(_ node: NodeRecord) -> StyledText {
        var text: StyledText = ""
        for (index, package) in node.packages.enumerated() {
            if index > 0 { text = text + ", " }
            text = text + self.package(package)
        }
        return text
    }

    func package(_ package: NodeRecord.Package) -> StyledText {
        var text = StyledText("\(package.name) \(package.installed.isEmpty ? "(none)" : package.installed)")
        if !package.target.isEmpty, package.target != package.installed {
            text = text + StyledText(" -> \(package.target)", .warning)
        } else if package.updateAvailable {
            text =
                text
                + (package.security ? StyledText(" + security \(package.available)", .loud) : StyledText(" +", .faint))
        }
        return text
    }

    func seen(_ node: NodeRecord) -> StyledText {
        node.lastSeen.map { StyledText(Moments.ago($0, now: now)) } ?? StyledText("never", .faint)
    }

    /// The state, and why nothing happens where nothing does.
    func state(_ node: NodeRecord) -> StyledText {
        let style: StyledText.Style =
            switch node.state {
            case "online": .good
            case "offline": .warning
            default: .plain
            }
        var text = StyledText(node.state, style)
        if let hold = node.report?.hold, !hold.isEmpty { text = text + StyledText(", held: \(hold)", .loud) }
        if let trouble = node.report?.progress.last(where: { !$0.reason.isEmpty }) {
            text = text + StyledText(", \(trouble.state.rawValue): \(trouble.reason)", .warning)
        }
        return text
    }
}
