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
    init(_ stored: StoredRollout, _ statement: SignedStatement) throws {
        let fields = try JSONFields(stored.state)
        engine = try Rollout(try fields.fields("engine"))
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

    /// The rollout as the register keeps it.
    var stored: StoredRollout {
        StoredRollout(
            id: id,
            open: engine.phase.isOpen,
            revision: revision,
            started: started,
            state: ["engine": engine.json, "signers": JSONValue(signers), "missing": .string(missing)]
        )
    }

    /// The rollout as operators see it; `names` are the nodes' names, nil to leave the nodes out.
    func record(names: ((NodeID) -> (name: String, version: String))?) -> RolloutRecord {
        let stages = engine.summary.map { stage in
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
        var nodes: [RolloutRecord.Node] = []
        if let names {
            nodes = engine.nodes.enumerated().map { index, node in
                let (name, version) = names(node.id)
                return RolloutRecord.Node(
                    id: node.id,
                    name: name,
                    stage: min(31, engine.expectedStage(ofNodeAt: index)),
                    state: node.state.rawValue,
                    version: version,
                    reason: node.reason
                )
            }
        }
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
            nodes: nodes
        )
    }
}
