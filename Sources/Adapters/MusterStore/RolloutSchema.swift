import CanonicalJSON

/// Migration 7: a rollout's nodes in rows of their own, so that a change of one writes one; holds and pins of nodes.
///
/// Until then `rollouts.state` had the nodes within, as `engine.nodes`; `before` is the version that the node had when it
/// was assigned, empty where that is not known. A pin without a version leaves the package as it is.
let rolloutMigration = Migration(
    number: 7,
    statements: [
        """
        CREATE TABLE rollout_nodes (
            rollout TEXT NOT NULL REFERENCES rollouts (id), position BIGINT NOT NULL, before TEXT NOT NULL,
            state TEXT NOT NULL, PRIMARY KEY (rollout, position))
        """,
        """
        CREATE TABLE node_holds (
            node TEXT PRIMARY KEY REFERENCES nodes (id), reason TEXT NOT NULL, actor TEXT NOT NULL,
            since BIGINT NOT NULL, ends BIGINT)
        """,
        """
        CREATE TABLE node_pins (
            node TEXT NOT NULL REFERENCES nodes (id), package TEXT NOT NULL, version TEXT, reason TEXT NOT NULL,
            actor TEXT NOT NULL, since BIGINT NOT NULL, PRIMARY KEY (node, package))
        """,
    ],
    convert: { transaction throws(StoreError) in try RolloutConversion.run(transaction) }
)

/// Takes the nodes of rollouts out of the rollouts.
private enum RolloutConversion {
    static func run(_ transaction: any SQLTransaction) throws(StoreError) {
        for row in try transaction.rows("SELECT id FROM rollouts", []) {
            try convert(try row.text(0), transaction)
        }
    }

    private static func convert(_ id: String, _ transaction: any SQLTransaction) throws(StoreError) {
        guard let row = try transaction.row("SELECT state FROM rollouts WHERE id = $1", [.text(id)]) else { return }
        guard let state = try? JSONValue.parse(Array(try row.text(0).utf8), limit: StoredRollout.wholeStateLimit),
            case .object(var object) = state, case .object(var engine)? = object["engine"],
            case .array(let nodes)? = engine["nodes"]
        else { throw StoreError(.corrupt, "rollout \(id) has no state that can be taken over") }
        for (position, node) in nodes.enumerated() {
            try transaction.run(
                "INSERT INTO rollout_nodes (rollout, position, before, state) VALUES ($1, $2, '', $3)",
                [.text(id), .integer(Int64(position)), .text(String(decoding: node.canonicalBytes, as: UTF8.self))]
            )
        }
        engine = JSONObject(engine.members.filter { $0.key != "nodes" }.map { ($0.key, $0.value) })
        object["engine"] = .object(engine)
        try transaction.run(
            "UPDATE rollouts SET state = $2 WHERE id = $1",
            [.text(id), .text(String(decoding: JSONValue.object(object).canonicalBytes, as: UTF8.self))]
        )
    }
}
