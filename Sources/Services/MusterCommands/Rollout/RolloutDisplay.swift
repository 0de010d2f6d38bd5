import ByteCoding
import MusterAPI
import MusterModel

/// A rollout's progress: a picture for a screen, lines of what changed for a pipe.
struct RolloutDisplay: Sendable {
    let now: UTCTime
    var columns = 80

    /// The whole picture.
    func screen(_ record: RolloutRecord) -> [StyledText] {
        var lines = [
            StyledText("\(RolloutWords.change(record)) ", .bold) + StyledText("\(record.id.text.prefix(8)) ", .faint)
                + RolloutWords.state(record)
        ]
        if !record.missing.isEmpty { lines.append(StyledText("  waits for approval: \(record.missing)", .warning)) }
        for (index, stage) in record.stages.enumerated() { lines.append(line(stage, index)) }
        let busy = record.nodes.filter { Self.busy.contains($0.state) }
        for node in busy.prefix(8) { lines.append(StyledText("  \(node.name) ") + StyledText(node.state, .faint)) }
        if busy.count > 8 { lines.append(StyledText("  and \(busy.count - 8) more at work", .faint)) }
        let troubled = record.nodes.filter { Self.troubled.contains($0.state) }
        for node in troubled.prefix(8) {
            lines.append(StyledText("  \(node.name) ") + StyledText(node.state, .loud) + StyledText(" \(node.reason)"))
        }
        if troubled.count > 8 { lines.append(StyledText("  and \(troubled.count - 8) more failed", .loud)) }
        lines += passedBy(record)
        return lines.map { $0.truncated(to: columns) }
    }

    /// Nodes that wait or are passed by for a reason, those of one reason together.
    private func passedBy(_ record: RolloutRecord) -> [StyledText] {
        let nodes = record.nodes.filter { ["skipped", "waiting"].contains($0.state) && !$0.reason.isEmpty }
        let groups = Dictionary(grouping: nodes) { "\($0.state): \($0.reason)" }
        let sorted = groups.sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }
        var lines = sorted.prefix(8).map { what, nodes in
            let names = nodes.prefix(3).map(\.name).joined(separator: ", ")
            let more = nodes.count > 3 ? " and \(nodes.count - 3) more" : ""
            return StyledText("  \(names)\(more) ") + StyledText(what, .warning)
        }
        if sorted.count > 8 {
            let left = sorted.dropFirst(8).reduce(0) { $0 + $1.value.count }
            lines.append(StyledText("  and \(left) more nodes that wait or are passed by", .faint))
        }
        return lines
    }

    /// What changed since the record before, one line each; everything there is for the first.
    func changes(from before: RolloutRecord?, to record: RolloutRecord) -> [String] {
        var lines: [String] = []
        if before == nil { lines.append("\(RolloutWords.change(record)), \(record.stages.count) stages") }
        if before?.missing != record.missing, !record.missing.isEmpty {
            lines.append("waits for approval: \(record.missing)")
        }
        for (index, stage) in record.stages.enumerated() {
            let old = before.flatMap { index < $0.stages.count ? $0.stages[index].state : nil }
            guard stage.state != (old ?? "waiting") else { continue }
            lines.append("stage \(index + 1) of \(record.stages.count) \(stage.state), \(counts(stage))")
        }
        let old = Dictionary((before?.nodes ?? []).map { ($0.id, $0) }) { first, _ in first }
        for node in record.nodes where node.state != (old[node.id]?.state ?? "waiting") {
            let reason = node.reason.isEmpty ? "" : ": \(node.reason)"
            lines.append("node \(node.name) \(node.state)\(node.version.isEmpty ? "" : " (\(node.version))")\(reason)")
        }
        if let hold = record.hold, hold != before?.hold { lines.append(RolloutWords.hold(hold)) }
        if record.hold == nil, before?.hold != nil, record.state == "running" { lines.append("goes on") }
        if before?.state != record.state {
            lines.append("rollout \(record.state)\(record.reason.isEmpty ? "" : ": \(record.reason)")")
        }
        return lines
    }

    private static let busy: Set<String> = ["assigned", "downloading", "verified", "installing", "confirming"]
    private static let troubled: Set<String> = ["failed", "refused", "rolled-back", "lost"]

    func line(_ stage: RolloutRecord.Stage, _ index: Int) -> StyledText {
        let width = 24
        let done = stage.size == 0 ? width : stage.done * width / stage.size
        let failed = stage.size == 0 ? 0 : min(width - done, (stage.failed * width + stage.size - 1) / stage.size)
        let bar =
            StyledText(String(repeating: "#", count: done), .good)
            + StyledText(String(repeating: "!", count: failed), .loud)
            + StyledText(String(repeating: ".", count: width - done - failed), .faint)
        return StyledText("  stage \(index + 1) [") + bar + StyledText("] \(counts(stage)) ")
            + StyledText(state(stage), stage.state == "waiting" ? .faint : .plain)
    }

    private func counts(_ stage: RolloutRecord.Stage) -> String {
        var parts = ["\(stage.done) of \(stage.size) confirmed"]
        if stage.inFlight > 0 { parts.append("\(stage.inFlight) at work") }
        if stage.failed > 0 { parts.append("\(stage.failed) failed") }
        if stage.skipped > 0 { parts.append("\(stage.skipped) not seen") }
        return parts.joined(separator: ", ")
    }

    private func state(_ stage: RolloutRecord.Stage) -> String {
        guard stage.state == "baking", let until = stage.bakesUntil else { return stage.state }
        return "baking, \(Moments.span(Int(clamping: until.seconds - now.seconds))) left"
    }
}
