import ByteCoding
import CanonicalJSON
import MusterModel
import MusterRollout
import MusterStore

/// What one step of a rollout writes: assignments, and entries of the event log.
struct RolloutWriter: Sendable {
    private enum Write: Sendable {
        case assign(NodeID, target: String)
        case withdraw(NodeID)
        case event(type: String, actor: String, detail: JSONValue)
    }

    let rollout: RolloutID
    let time: UTCTime
    private var writes: [Write] = []
    /// The nodes whose assignments change.
    private(set) var changedNodes: [NodeID] = []

    init(rollout: RolloutID, time: UTCTime) {
        self.rollout = rollout
        self.time = time
    }

    /// The state of the node that an event is about.
    func state(_ event: RolloutEvent, _ engine: Rollout) -> RolloutNode.State? {
        guard case .reported(let node, _) = event else { return nil }
        return engine.node(node)?.state
    }

    /// A node's report is an event of the log where it moved the node on.
    mutating func note(_ event: RolloutEvent, before: RolloutNode.State?, after engine: Rollout) {
        guard case .reported(let node, let progress) = event, engine.node(node)?.state != before else { return }
        log(
            "node-" + progress.state.rawValue,
            actor: node.text,
            ["node": JSONValue(node), "version": .string(progress.version), "reason": .string(progress.reason)]
        )
    }

    /// What the engine decided.
    mutating func note(_ effect: RolloutEffect, target: String?) {
        switch effect {
        case .assign(let node):
            writes.append(.assign(node, target: target ?? ""))
            changedNodes.append(node)
            log("node-assigned", ["node": JSONValue(node), "target": .string(target ?? "")])
        case .withdraw(let node):
            writes.append(.withdraw(node))
            changedNodes.append(node)
            log("node-withdrawn", ["node": JSONValue(node)])
        case .stageOpened(let stage): log("rollout-stage-opened", ["stage": JSONValue(stage)])
        case .groupOpened(let group): log("rollout-group-opened", ["group": JSONValue(group)])
        case .holding(let reason, let until):
            var detail: JSONObject = ["reason": .string(reason)]
            if let until { detail["until"] = .integer(until.milliseconds) }
            log("rollout-holding", detail)
        case .stageBaking(let stage, let until):
            log("rollout-stage-baking", ["stage": JSONValue(stage), "until": .integer(until.milliseconds)])
        case .skipped(let node, let reason): log("node-skipped", ["node": JSONValue(node), "reason": .string(reason)])
        case .removed(let node, let reason):
            log("node-left-rollout", ["node": JSONValue(node), "reason": .string(reason)])
        case .failed(let node, let reason):
            log("node-counted-failed", ["node": JSONValue(node), "reason": .string(reason)])
        case .onlySkippedRemain(let count): log("rollout-only-skipped-remain", ["count": JSONValue(count)])
        case .halted(let reason): log("rollout-halted", ["reason": .string(reason)])
        case .resumed(let by): log("rollout-resumed", actor: by.text, [:])
        case .completed: log("rollout-completed", [:])
        case .ended(let reason): log("rollout-ended", ["reason": .string(reason)])
        }
    }

    /// Writes everything in order.
    func write(_ transaction: StoreTransaction) throws {
        for write in writes {
            switch write {
            case .assign(let node, let target): try transaction.assign(node: node, rollout: rollout, target: target)
            case .withdraw(let node): try transaction.withdraw(node: node, rollout: rollout)
            case .event(let type, let actor, let detail):
                try transaction.append(event: type, actor: actor, detail: detail, at: time)
            }
        }
    }

    private mutating func log(_ type: String, actor: String = "musterd", _ detail: JSONObject) {
        var detail = detail
        detail["rollout"] = JSONValue(rollout)
        writes.append(.event(type: type, actor: actor, detail: .object(detail)))
    }
}
