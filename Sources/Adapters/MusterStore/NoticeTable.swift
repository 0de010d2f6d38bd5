import ByteCoding
import MusterIdentity

/// What was announced of expiries, and messages that wait to be delivered.
///
/// An announcement and its messages are written in one transaction: neither is lost without the other, and neither is made
/// twice.
extension StoreTransaction {
    /// What was announced last of each subject.
    public func announcements() throws -> [String: ExpiryNotices.Announced] {
        var found: [String: ExpiryNotices.Announced] = [:]
        for row in try sql.rows("SELECT subject, days, expires FROM announcements", []) {
            guard let threshold = ExpiryThreshold(rawValue: Int(clamping: try row.integer(1))) else {
                throw StoreError(
                    .corrupt,
                    "an announcement in the register has no threshold of \(try row.integer(1)) days"
                )
            }
            found[try row.text(0)] = .init(threshold, expires: UTCTime(milliseconds: try row.integer(2)))
        }
        return found
    }

    /// Remembers and forgets what a round says.
    public func take(_ round: ExpiryNotices.Round, at time: UTCTime) throws {
        for key in round.forgotten { try sql.run("DELETE FROM announcements WHERE subject = $1", [.text(key)]) }
        for (key, announced) in round.remembered {
            try sql.run(
                """
                INSERT INTO announcements (subject, days, expires, announced) VALUES ($1, $2, $3, $4)
                ON CONFLICT (subject) DO UPDATE SET days = $2, expires = $3, announced = $4
                """,
                [
                    .text(key), .integer(Int64(announced.threshold.days)), .integer(announced.expires.milliseconds),
                    .integer(time.milliseconds),
                ]
            )
        }
    }

    /// Adds a message for one channel; a digest replaces those that still wait there.
    public func add(_ notice: StoredNotice) throws {
        if notice.kind == NoticeMessage.Kind.digest.rawValue {
            try sql.run(
                "DELETE FROM outbox WHERE channel = $1 AND kind = $2",
                [.text(notice.channel), .text(notice.kind)]
            )
        }
        try sql.run(
            """
            INSERT INTO outbox (id, channel, kind, body, made, failures, next_attempt)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            """,
            [
                .text(notice.id), .text(notice.channel), .text(notice.kind), .bytes(notice.body),
                .integer(notice.made.milliseconds), .integer(Int64(notice.failures)),
                .integer(notice.nextAttempt.milliseconds),
            ]
        )
    }

    /// Every message that waits, oldest first.
    public func waitingNotices() throws -> [StoredNotice] {
        try sql.rows(
            "SELECT id, channel, kind, body, made, failures, next_attempt FROM outbox ORDER BY made, id, channel",
            []
        ).map { try StoredNotice($0) }
    }

    /// Forgets a message: it was delivered, or is given up.
    public func removeNotice(id: String, channel: String) throws {
        try sql.run("DELETE FROM outbox WHERE id = $1 AND channel = $2", [.text(id), .text(channel)])
    }

    /// A message could not be delivered; nothing else is tried on its channel before `next` either.
    public func noticeFailed(_ notice: StoredNotice, next: UTCTime) throws {
        try sql.run(
            "UPDATE outbox SET failures = $3 WHERE id = $1 AND channel = $2",
            [.text(notice.id), .text(notice.channel), .integer(Int64(notice.failures + 1))]
        )
        try sql.run(
            "UPDATE outbox SET next_attempt = $2 WHERE channel = $1 AND next_attempt < $2",
            [.text(notice.channel), .integer(next.milliseconds)]
        )
    }

    /// When the last digest was due; nil for a new service.
    public func lastDigest() throws -> UTCTime? {
        guard let bytes = try setting(Self.digestSetting) else { return nil }
        guard let number = Int64(String(decoding: bytes, as: UTF8.self)) else {
            throw StoreError(.corrupt, "the register's setting '\(Self.digestSetting)' is no moment")
        }
        return UTCTime(milliseconds: number)
    }

    /// Remembers when the last digest was due.
    public func setLastDigest(_ time: UTCTime) throws {
        try set(Self.digestSetting, Array(String(time.milliseconds).utf8))
    }

    private static let digestSetting = "last-digest"
}

/// A message that waits to be delivered by one channel.
public struct StoredNotice: Hashable, Sendable {
    /// The message's id.
    public let id: String
    /// The channel's id.
    public let channel: String
    /// The message's kind.
    public let kind: String
    /// What is delivered, byte for byte.
    public let body: [UInt8]
    /// When it was made.
    public let made: UTCTime
    /// How often it failed.
    public let failures: Int
    /// When it is tried next.
    public let nextAttempt: UTCTime

    /// A message that was not tried yet.
    public init(id: String, channel: String, kind: String, body: [UInt8], made: UTCTime) {
        self.id = id
        self.channel = channel
        self.kind = kind
        self.body = body
        self.made = made
        failures = 0
        nextAttempt = made
    }

    init(_ row: SQLRow) throws(StoreError) {
        id = try row.text(0)
        channel = try row.text(1)
        kind = try row.text(2)
        body = try row.bytes(3)
        made = UTCTime(milliseconds: try row.integer(4))
        failures = Int(clamping: try row.integer(5))
        nextAttempt = UTCTime(milliseconds: try row.integer(6))
    }
}
