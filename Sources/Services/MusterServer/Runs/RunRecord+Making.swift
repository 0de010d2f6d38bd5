import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterRun
import MusterStore

/// Runs as operators see them.
extension RunRecord {
    /// A run; `names` are the nodes' names, nil to leave the nodes out.
    init(_ run: LiveRun, names: ((NodeID) -> String)?) {
        var nodes: [Node] = []
        if let names {
            nodes = zip(run.engine.nodes, run.parts).map { node, part in
                Node(
                    id: node.id,
                    name: names(node.id),
                    state: NodeState(node.state),
                    reason: node.reason,
                    result: part.result,
                    assigned: node.assigned,
                    changed: node.since.milliseconds == 0 ? nil : node.since
                )
            }
        }
        self.init(
            id: run.id,
            state: run.state,
            reason: run.reason,
            revision: run.engine.revision,
            asked: run.asked,
            ended: run.ended,
            statement: run.statement,
            signers: run.signers,
            missing: run.missing,
            counts: run.counts,
            nodes: nodes
        )
    }

    /// A run that is read from the register for a list, without its nodes.
    init(_ stored: StoredRun, _ statement: SignedStatement) throws {
        let fields = try JSONFields(stored.document)
        self.init(
            id: stored.id,
            state: State(rawValue: stored.state) ?? .failed,
            reason: try fields.string("reason", limit: 8192),
            revision: stored.revision,
            asked: stored.asked,
            ended: stored.ended,
            statement: statement,
            signers: try fields.names("signers", limit: SignedStatement.signatureLimit),
            missing: try fields.string("missing", limit: 4096),
            counts: try Self.counts(try fields.fields("counts")),
            nodes: []
        )
    }
}

extension RunRecord.State {
    init(_ outcome: Run.Outcome) {
        self =
            switch outcome {
            case .succeeded: .succeeded
            case .failed: .failed
            case .cancelled: .cancelled
            case .denied: .denied
            case .expired: .expired
            case .halted: .halted
            }
    }
}

extension RunRecord.NodeState {
    init(_ state: RunNode.State) {
        self =
            switch state {
            case .waiting: .waiting
            case .assigned: .assigned
            case .started: .started
            case .succeeded: .succeeded
            case .failed: .failed
            case .refused: .refused
            case .lost: .lost
            case .cancelled: .cancelled
            case .expired: .expired
            case .notStarted: .notStarted
            }
    }
}
