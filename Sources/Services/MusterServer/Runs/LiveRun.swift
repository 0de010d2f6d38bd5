import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterRun
import MusterStore

/// A run with its engine, its statement, and what is known of its output.
struct LiveRun: Sendable {
    /// What a node sent so far.
    struct Part: Sendable {
        /// Bytes of output that were taken.
        var received: Int64 = 0
        /// In how many pieces they are kept.
        var pieces: Int64 = 0
        /// How the process ended.
        var result: RunResult?
    }

    /// Which nodes have their turn.
    var engine: Run
    /// The statement with the signatures it has so far.
    var statement: SignedStatement
    /// Operators whose signature counts, the requester first.
    var signers: [OperatorName]
    /// What policy still asks for; empty once it may run.
    var missing: String
    /// When it was asked for.
    let asked: UTCTime
    /// When it ended.
    var ended: UTCTime?
    /// How many pieces of output there were.
    var output: Int64 = 0
    /// Whether its output is still kept.
    var keepsOutput = true
    /// What each node sent, in the order of the nodes.
    var parts: [Part]

    /// A run that is asked for; nil where the statement asks for none.
    init?(_ signed: SignedStatement, signers: [OperatorName], missing: String, asked: UTCTime) {
        guard case .run(let body) = signed.statement.body else { return nil }
        engine = Run(
            id: signed.statement.id,
            nodes: body.nodes,
            limits: RunLimits(
                concurrency: body.fanOut.concurrency,
                batch: body.fanOut.batch,
                maxFailures: body.fanOut.maximumFailures,
                timeoutSeconds: body.definition.timeoutSeconds,
                isByAgent: body.ssh == nil
            ),
            notBefore: body.notBefore,
            expires: signed.statement.expires
        )
        statement = signed
        self.signers = signers
        self.missing = missing
        self.asked = asked
        parts = body.nodes.map { _ in Part() }
    }

    /// Reads a run from the register.
    init(_ stored: StoredRun, _ nodes: [StoredRunNode], _ statement: SignedStatement) throws {
        let fields = try JSONFields(stored.document)
        engine = try Run(try fields.fields("engine"), nodes: try nodes.map { try RunNode($0) })
        self.statement = statement
        signers = try fields.names("signers", limit: SignedStatement.signatureLimit)
        missing = try fields.string("missing", limit: 4096)
        asked = stored.asked
        ended = stored.ended
        output = stored.output
        keepsOutput = stored.keepsOutput
        parts = nodes.map { Part(received: $0.received, pieces: $0.pieces, result: $0.result) }
    }

    var id: RunID { engine.id }

    /// What is asked for.
    var body: RunBody? {
        if case .run(let body) = statement.statement.body { body } else { nil }
    }

    /// How far it is, as operators see it.
    var state: RunRecord.State {
        switch engine.phase {
        case .waiting: .waiting
        case .scheduled: .scheduled
        case .running: .running
        case .stopping: .stopping
        case .ended: engine.outcome.map { RunRecord.State($0) } ?? .failed
        }
    }

    /// Why it is in that state.
    var reason: String { engine.phase == .waiting ? missing : engine.reason }

    /// The run as the register keeps it, without its nodes.
    var stored: StoredRun? {
        guard let body else { return nil }
        return StoredRun(
            id: id,
            command: body.command,
            requester: statement.statement.requester,
            state: state.rawValue,
            isOpen: engine.phase != .ended,
            revision: engine.revision,
            asked: asked,
            ended: ended,
            output: output,
            keepsOutput: keepsOutput,
            document: [
                "engine": engine.json, "signers": JSONValue(signers), "missing": .string(missing),
                "reason": .string(reason), "counts": RunRecord.json(counts),
            ]
        )
    }

    /// One node's part as the register keeps it.
    func storedNode(_ position: Int) -> StoredRunNode {
        let node = engine.nodes[position]
        let part = parts[position]
        return StoredRunNode(
            position: position,
            node: node.id,
            state: node.state.rawValue,
            since: node.since,
            reason: node.reason,
            assigned: node.assigned,
            started: node.started,
            isStated: node.isStated,
            received: part.received,
            pieces: part.pieces,
            result: part.result
        )
    }

    var counts: [RunRecord.NodeState: Int] {
        Dictionary(uniqueKeysWithValues: engine.counts.occupied.map { (RunRecord.NodeState($0.state), $0.count) })
    }
}

extension RunNode {
    init(_ stored: StoredRunNode) throws {
        guard let state = State(rawValue: stored.state) else {
            throw StoreError(.corrupt, "'\(stored.state)' in the register is no state of a node in a run")
        }
        self.init(
            id: stored.node,
            state: state,
            since: stored.since,
            reason: stored.reason,
            assigned: stored.assigned,
            started: stored.started,
            isStated: stored.isStated
        )
    }
}
