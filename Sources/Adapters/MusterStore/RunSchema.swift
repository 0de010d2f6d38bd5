/// Migration 6: runs, each node's part, and their output.
///
/// `state` is the run's as operators see it; `document` is what the service needs to go on. `output` counts the pieces that
/// were ever kept; `kept` says whether they still are.
let runMigration = Migration(
    number: 6,
    statements: [
        """
        CREATE TABLE runs (
            id TEXT PRIMARY KEY REFERENCES statements (id), command TEXT NOT NULL, requester TEXT NOT NULL,
            state TEXT NOT NULL, open BIGINT NOT NULL, revision BIGINT NOT NULL, asked BIGINT NOT NULL,
            ended BIGINT, output BIGINT NOT NULL, kept BIGINT NOT NULL, document TEXT NOT NULL)
        """,
        "CREATE INDEX runs_open ON runs (id) WHERE open = 1",
        "CREATE INDEX runs_asked ON runs (asked, id)",
        "CREATE INDEX runs_command ON runs (command, asked, id)",
        "CREATE INDEX runs_requester ON runs (requester, asked, id)",
        "CREATE INDEX runs_state ON runs (state, asked, id)",
        "CREATE INDEX runs_kept ON runs (ended) WHERE open = 0 AND kept = 1",
        """
        CREATE TABLE run_nodes (
            run TEXT NOT NULL REFERENCES runs (id), position BIGINT NOT NULL, node TEXT NOT NULL, state TEXT NOT NULL,
            since BIGINT NOT NULL, reason TEXT NOT NULL, assigned BIGINT, started BIGINT, stated BIGINT NOT NULL,
            received BIGINT NOT NULL, pieces BIGINT NOT NULL, result TEXT, PRIMARY KEY (run, position))
        """,
        "CREATE INDEX run_nodes_node ON run_nodes (node, run)",
        """
        CREATE TABLE run_output (
            run TEXT NOT NULL REFERENCES runs (id), sequence BIGINT NOT NULL, node TEXT NOT NULL, begins BIGINT NOT NULL,
            stream TEXT NOT NULL, milliseconds BIGINT NOT NULL, bytes BYTEA NOT NULL, PRIMARY KEY (run, sequence))
        """,
        "CREATE INDEX run_output_node ON run_output (run, node, sequence)",
    ]
)
