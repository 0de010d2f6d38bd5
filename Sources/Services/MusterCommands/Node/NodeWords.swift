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
            if node.pins.contains(where: { $0.package == package.name }) {
                text = text + StyledText(" (pinned)", .faint)
            }
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

    /// When the node was last in contact, and when the tailnet heard of it where that is more recent.
    func seen(_ node: NodeRecord) -> StyledText {
        let seen = node.lastSeen.map { StyledText(Moments.ago($0, now: now)) } ?? StyledText("never", .faint)
        guard let tailnet = node.tailnet else { return seen }
        if node.state != "online", tailnet.isOnline == true {
            return seen + StyledText(" (on the tailnet now)", .faint)
        }
        guard let heard = [tailnet.lastHandshake, tailnet.lastSeen].compactMap(\.self).max() else { return seen }
        // A handshake comes every two minutes at most: an agent that reports is always about as recent.
        guard heard > (node.lastSeen ?? UTCTime(milliseconds: 0)).adding(seconds: 180) else { return seen }
        let what = heard == tailnet.lastHandshake ? "handshake" : "tailnet"
        return seen + StyledText(" (\(what) \(Moments.ago(heard, now: now)))", .faint)
    }

    /// What keeps rollouts from changing the node, or packages of it, a row each.
    func holds(_ node: NodeRecord) -> [(String, StyledText)] {
        var rows: [(String, StyledText)] = []
        if let hold = node.hold {
            rows.append(("held", StyledText(held(hold), .warning)))
        }
        for pin in node.pins {
            let who = pin.by.map { "by \($0)" } ?? "by its own configuration"
            let version = pin.version.map { " at \($0)" } ?? ""
            rows.append(("pinned", StyledText("\(pin.package)\(version) \(who): \(pin.reason)")))
        }
        return rows
    }

    private func held(_ hold: HoldRecord) -> String {
        let until = hold.until.map { ", \(Moments.span(Int(clamping: $0.seconds - now.seconds))) left" } ?? ""
        return "by \(hold.by) (\(Moments.ago(hold.since, now: now))\(until)): \(hold.reason)"
    }

    /// The state, and why nothing happens where nothing does.
    func state(_ node: NodeRecord) -> StyledText {
        let style: StyledText.Style =
            switch node.state {
            case "online": .good
            case "offline": .warning
            case "key-expired": .loud
            default: .plain
            }
        var text = StyledText(node.state, style)
        if let hold = node.report?.hold, !hold.isEmpty { text = text + StyledText(", held: \(hold)", .loud) }
        if let hold = node.hold { text = text + StyledText(", held by \(hold.by): \(hold.reason)", .warning) }
        if let reboot = node.report?.rebootNeeded, !reboot.isEmpty {
            text = text + StyledText(", needs a reboot: \(reboot)", .warning)
        }
        if let trouble = node.report?.progress.last(where: { !$0.reason.isEmpty }) {
            text = text + StyledText(", \(trouble.state.rawValue): \(trouble.reason)", .warning)
        }
        return text
    }
}
