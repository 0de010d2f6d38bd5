/// Every migration, oldest first: append, never edit.
///
/// Moments are milliseconds since 1970, JSON is TEXT, digests and keys are BYTEA.
let schema: [Migration] = [
    Migration(
        number: 1,
        statements: [
            "CREATE TABLE settings (name TEXT PRIMARY KEY, value BYTEA NOT NULL)",
            "CREATE TABLE counters (name TEXT PRIMARY KEY, value BIGINT NOT NULL)",
            "INSERT INTO counters (name, value) VALUES ('events', 0)",
            """
            CREATE TABLE events (
                sequence BIGINT PRIMARY KEY, time BIGINT NOT NULL, body TEXT NOT NULL, leaf BYTEA NOT NULL)
            """,
            """
            CREATE TABLE statements (
                id TEXT PRIMARY KEY, type TEXT NOT NULL, requester TEXT NOT NULL, envelope TEXT NOT NULL,
                issued BIGINT NOT NULL, expires BIGINT NOT NULL, received BIGINT NOT NULL)
            """,
            """
            CREATE TABLE enroll_secrets (
                secret_sha256 BYTEA PRIMARY KEY, statement TEXT NOT NULL REFERENCES statements (id),
                uses BIGINT NOT NULL, used BIGINT NOT NULL, expires BIGINT NOT NULL, CHECK (used <= uses))
            """,
            """
            CREATE TABLE nodes (
                id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, node_key BYTEA NOT NULL UNIQUE, address TEXT NOT NULL,
                tags TEXT NOT NULL, statement TEXT NOT NULL REFERENCES statements (id), enrolled BIGINT NOT NULL)
            """,
            """
            CREATE TABLE pending_enrollments (
                node_key BYTEA PRIMARY KEY, code TEXT NOT NULL UNIQUE, name TEXT NOT NULL, address TEXT NOT NULL,
                asked BIGINT NOT NULL)
            """,
            """
            CREATE TABLE reports (
                node TEXT PRIMARY KEY REFERENCES nodes (id), received BIGINT NOT NULL, body TEXT NOT NULL)
            """,
            """
            CREATE TABLE manifests (
                node TEXT PRIMARY KEY REFERENCES nodes (id), sequence BIGINT NOT NULL, expires BIGINT NOT NULL,
                content BYTEA NOT NULL, envelope TEXT NOT NULL)
            """,
            """
            CREATE TABLE tag_statements (
                node TEXT NOT NULL REFERENCES nodes (id), statement TEXT NOT NULL REFERENCES statements (id),
                issued BIGINT NOT NULL, PRIMARY KEY (node, statement))
            """,
            """
            CREATE TABLE rollouts (
                id TEXT PRIMARY KEY REFERENCES statements (id), open BIGINT NOT NULL, revision BIGINT NOT NULL,
                started BIGINT NOT NULL, state TEXT NOT NULL)
            """,
            "CREATE INDEX rollouts_open ON rollouts (id) WHERE open = 1",
            """
            CREATE TABLE assignments (
                node TEXT NOT NULL REFERENCES nodes (id), rollout TEXT NOT NULL REFERENCES rollouts (id),
                target TEXT NOT NULL, PRIMARY KEY (node, rollout))
            """,
            """
            CREATE TABLE metadata (
                role TEXT NOT NULL, version BIGINT NOT NULL, bytes BYTEA NOT NULL, stored BIGINT NOT NULL,
                PRIMARY KEY (role, version))
            """,
            """
            CREATE TABLE target_files (
                sha256 TEXT PRIMARY KEY, length BIGINT NOT NULL, path TEXT NOT NULL, stored BIGINT NOT NULL)
            """,
        ]
    ),
    // Who nodes are on the tailnet; NULL for nodes that joined before that was known.
    Migration(
        number: 2,
        statements: [
            "ALTER TABLE nodes ADD COLUMN tailnet_id TEXT",
            "ALTER TABLE nodes ADD COLUMN tailnet_key TEXT",
            "ALTER TABLE nodes ADD COLUMN tailnet_name TEXT",
            "ALTER TABLE nodes ADD COLUMN tailnet_key_since BIGINT",
            "CREATE INDEX nodes_tailnet_id ON nodes (tailnet_id)",
            "ALTER TABLE pending_enrollments ADD COLUMN tailnet_id TEXT",
            "ALTER TABLE pending_enrollments ADD COLUMN tailnet_key TEXT",
            "ALTER TABLE pending_enrollments ADD COLUMN tailnet_name TEXT",
        ]
    ),
    // The life of node keys, and nodes that left.
    Migration(
        number: 3,
        statements: [
            "ALTER TABLE nodes ADD COLUMN key_since BIGINT",
            "ALTER TABLE nodes ADD COLUMN key_expires BIGINT",
            "ALTER TABLE nodes ADD COLUMN key_exempt BIGINT NOT NULL DEFAULT 0",
            "ALTER TABLE nodes ADD COLUMN extended_until BIGINT",
            "ALTER TABLE nodes ADD COLUMN next_key BYTEA",
            "ALTER TABLE nodes ADD COLUMN next_since BIGINT",
            "ALTER TABLE nodes ADD COLUMN expiry_noted BIGINT NOT NULL DEFAULT 0",
            "ALTER TABLE nodes ADD COLUMN removed BIGINT",
            "ALTER TABLE nodes ADD COLUMN removed_reason TEXT",
            "CREATE UNIQUE INDEX nodes_next_key ON nodes (next_key) WHERE next_key IS NOT NULL",
            """
            CREATE TABLE retired_keys (
                node_key BYTEA PRIMARY KEY, node TEXT NOT NULL REFERENCES nodes (id), retired BIGINT NOT NULL,
                reason TEXT NOT NULL)
            """,
        ]
    ),
    Migration(
        number: 4,
        statements: [
            """
            CREATE TABLE announcements (
                subject TEXT PRIMARY KEY, days BIGINT NOT NULL, expires BIGINT NOT NULL, announced BIGINT NOT NULL)
            """,
            """
            CREATE TABLE outbox (
                id TEXT NOT NULL, channel TEXT NOT NULL, kind TEXT NOT NULL, body BYTEA NOT NULL, made BIGINT NOT NULL,
                failures BIGINT NOT NULL, next_attempt BIGINT NOT NULL, PRIMARY KEY (id, channel))
            """,
        ]
    ),
    sshMigration,
    runMigration,
    rolloutMigration,
    successionMigration,
]
