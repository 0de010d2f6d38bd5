import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterRollout
import MusterStore

/// A rollout as the service drives it: the engine, and what its statement has gathered.
struct LiveRollout: Sendable {
    /// The engine's state.
    var engine: Rollout
    /// The statement with the signatures it has so far.
    var statement: SignedStatement
    /// Who validly signed it, the requester first.
    var signers: [OperatorName]
    /// What policy still asks for; empty once it may run.
    var missing: String
    /// Rises with every change.
    var revision: Int64
    /// When it was asked for.
    let started: UTCTime
    /// The hours of its nodes, by name; in memory only, since policy says them again after a restart.
    var hours: [String: NamedHours] = [:]
    /// What it was last told of limits; in memory only, too.
    var toldLimits: [Tag: FleetLimit] = [:]

    /// A rollout that was just asked for.
    init(engine: Rollout, statement: SignedStatement, signers: [OperatorName], missing: String, started: UTCTime) {
        self.engine = engine
        self.statement = statement
        self.signers = signers
        self.missing = missing
        self.started = started
        revision = 0
    }

    /// Reads a rollout from the register.
    init(_ stored: StoredRollout, _ nodes: [StoredRolloutNode], _ statement: SignedStatement) throws {
        let fields = try JSONFields(stored.state)
        engine = try Rollout(
            header: try fields.fields("engine"),
            nodes: nodes.map { node throws(JSONError) in try JSONFields(node.state) },
            before: nodes.map(\.before)
        )
        signers = try fields.names("signers", limit: SignedStatement.signatureLimit)
        missing = try fields.string("missing", limit: 4096)
        revision = stored.revision
        started = stored.started
        self.statement = statement
    }

    /// The rollout's id.
    var id: RolloutID { engine.id }

    /// What is asked for.
    var body: UpgradeBody? { statement.statement.body.packageChange }

    /// What is to be written after events, the nodes that changed with it.
    mutating func takeStored() -> (rollout: StoredRollout, nodes: [StoredRolloutNode]) {
        let changes = engine.takeChanges()
        let rollout = StoredRollout(
            id: id,
            open: engine.phase.isOpen,
            revision: revision,
            started: started,
            state: [
                "engine": changes.header, "signers": JSONValue(signers), "missing": .string(missing),
                "stages": .array(stages.map(\.json)), "reason": .string(engine.phase.reason),
            ]
        )
        let nodes = changes.nodes.map { node in
            StoredRolloutNode(
                position: node.index,
                before: engine.nodes[node.index].before,
                state: node.json
            )
        }
        return (rollout, nodes)
    }

    /// The rollout as operators see it; `names` are the nodes' names, nil to leave the nodes out.
    func record(names: ((NodeID) -> (name: String, version: String))?) -> RolloutRecord {
        let stages = stages
        return RolloutRecord(
            id: id,
            state: engine.phase.name,
            reason: engine.phase.reason,
            revision: revision,
            started: started,
            statement: statement,
            signers: signers,
            missing: missing,
            stages: stages,
            nodes: names.map(nodes) ?? [],
            hold: hold(stages)
        )
    }

    /// Why nothing goes on; that it is halted, waits for approval or bakes is said elsewhere.
    private func hold(_ stages: [RolloutRecord.Stage]) -> RolloutRecord.Hold? {
        guard engine.phase == .running, !stages.contains(where: { $0.bakesUntil != nil }) else { return nil }
        return engine.hold.map { RolloutRecord.Hold(reason: $0.reason, until: $0.until) }
    }

    private func nodes(_ names: (NodeID) -> (name: String, version: String)) -> [RolloutRecord.Node] {
        engine.nodes.enumerated().map { index, node in
            let (name, version) = names(node.id)
            return RolloutRecord.Node(
                id: node.id,
                name: name,
                stage: min(31, engine.expectedStage(ofNodeAt: index)),
                state: node.state.rawValue,
                version: version,
                reason: engine.reason(ofNodeAt: index),
                before: node.before
            )
        }
    }

    private var stages: [RolloutRecord.Stage] {
        engine.summary.map { stage in
            let (state, bakesUntil): (String, UTCTime?) =
                switch stage.state {
                case .waiting: ("waiting", nil)
                case .open: ("open", nil)
                case .baking(let until): ("baking", until)
                case .complete: ("complete", nil)
                }
            return RolloutRecord.Stage(
                size: stage.size,
                done: stage.counts[.confirmed],
                inFlight: stage.counts.inFlight,
                failed: stage.counts.failures,
                skipped: stage.counts[.skipped],
                state: state,
                bakesUntil: bakesUntil
            )
        }
    }
}

extension RolloutRecord {
    /// A rollout that is over, without its nodes and without the engine: a list of many costs no look at their nodes.
    init?(summaryOf stored: StoredRollout, _ statement: SignedStatement) throws {
        let fields = try JSONFields(stored.state)
        guard fields.has("stages") else { return nil }
        self.init(
            id: stored.id,
            state: try fields.fields("engine").string("phase", limit: 32),
            reason: try fields.string("reason", limit: 4096),
            revision: stored.revision,
            started: stored.started,
            statement: statement,
            signers: try fields.names("signers", limit: SignedStatement.signatureLimit),
            missing: try fields.string("missing", limit: 4096),
            stages: try fields.objects("stages", limit: 32).map { stage throws(JSONError) in try Stage(stage) },
            nodes: []
        )
    }
}
