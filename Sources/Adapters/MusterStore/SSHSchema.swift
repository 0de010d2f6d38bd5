/// Migration 5: SSH certificates, what was asked for and waits, and what was revoked.
///
/// A CA's key is its 32 bytes. `certificate` is forgotten once it is over; the rest of the row stays for ever. The KRL of
/// version N is made of the rows that were revoked up to it; version 1 is empty.
let sshMigration = Migration(
    number: 5,
    statements: [
        "INSERT INTO counters (name, value) VALUES ('ssh-serial', 0)",
        "INSERT INTO counters (name, value) VALUES ('ssh-krl', 1)",
        """
        CREATE TABLE ssh_certificates (
            serial BIGINT PRIMARY KEY, kind TEXT NOT NULL, key_id TEXT NOT NULL, statement TEXT, requester TEXT,
            node TEXT, origin TEXT NOT NULL, identity TEXT NOT NULL, principals TEXT NOT NULL, targets TEXT NOT NULL,
            fingerprint TEXT NOT NULL, authority BYTEA NOT NULL, issued BIGINT NOT NULL, valid_after BIGINT NOT NULL,
            valid_before BIGINT NOT NULL, certificate BYTEA, revoked BIGINT)
        """,
        "CREATE UNIQUE INDEX ssh_certificates_statement ON ssh_certificates (statement)",
        "CREATE INDEX ssh_certificates_end ON ssh_certificates (valid_before)",
        "CREATE INDEX ssh_certificates_host ON ssh_certificates (node, fingerprint) WHERE kind = 'host'",
        "CREATE INDEX ssh_certificates_revoked ON ssh_certificates (serial) WHERE revoked IS NOT NULL",
        """
        CREATE TABLE ssh_requests (
            statement TEXT PRIMARY KEY REFERENCES statements (id), state TEXT NOT NULL, detail TEXT NOT NULL,
            asked BIGINT NOT NULL, expires BIGINT NOT NULL, identity TEXT NOT NULL, origin TEXT NOT NULL,
            addresses TEXT NOT NULL, node TEXT, key_expires BIGINT)
        """,
        "CREATE INDEX ssh_requests_waiting ON ssh_requests (asked) WHERE state = 'waiting'",
        """
        CREATE TABLE ssh_revocations (
            version BIGINT PRIMARY KEY, subject TEXT NOT NULL, reason TEXT NOT NULL, actor TEXT NOT NULL,
            time BIGINT NOT NULL, certificates BIGINT NOT NULL, statement TEXT)
        """,
        """
        CREATE TABLE ssh_revoked (
            kind TEXT NOT NULL, authority BYTEA NOT NULL, value TEXT NOT NULL, version BIGINT NOT NULL,
            PRIMARY KEY (kind, authority, value))
        """,
        """
        CREATE TABLE ssh_rogue_logins (
            node TEXT NOT NULL, serial BIGINT NOT NULL, key_id TEXT NOT NULL, seen BIGINT NOT NULL,
            PRIMARY KEY (node, serial, key_id))
        """,
    ]
)
