import ByteCoding
import CanonicalJSON
import Logging
import MusterIdentity
import MusterKeys
import MusterModel
import MusterStore
import NoticeDelivery

/// Announces what is about to expire, once, and sees that these announcements and others arrive.
///
/// An announcement, its event and its messages are one transaction. A message is delivered at least once, always with the
/// same id and bytes: when the service dies between the delivery and its note of it, it comes again.
actor Notices {
    private let store: Store
    private let options: NoticeOptions
    private let clock: @Sendable () -> UTCTime
    private let log: Logger
    private let digest: ExpiryDigest?
    /// What was announced; nil until it was read.
    private var expiries: ExpiryNotices?
    /// When a message is due; nil until it was looked up.
    private var nextDelivery: UTCTime?
    /// How often messages were added from elsewhere.
    private var additions = 0

    init(store: Store, options: NoticeOptions, clock: @escaping @Sendable () -> UTCTime, log: Logger) {
        self.store = store
        self.options = options
        self.clock = clock
        self.log = log
        digest = ExpiryDigest(hour: options.digestHour)
    }

    // MARK: - Announcing

    /// Announces what came to a threshold, and the digest where it is due.
    func look(at subjects: [ExpirySubject], fleet: FleetID?, time: UTCTime) async throws {
        var expiries = try await known()
        let round = expiries.look(at: subjects, time: time)
        let last = try await store.read { try $0.lastDigest() }
        let announced = Set(round.notices.map(\.subject.key))
        let daily = digest?.look(at: subjects, last: last, time: time, announced: announced)
        guard !round.isEmpty || daily?.done != nil else { return }
        let messages = [
            message(.expiry, round.notices, fleet, time), message(.digest, daily?.notices ?? [], fleet, time),
        ].compactMap(\.self)
        let waiting = messages.flatMap(waiting)
        try await store.write { transaction in
            try transaction.take(round, at: time)
            for notice in round.notices {
                try transaction.append(event: "expiry-announced", actor: "musterd", detail: notice.json, at: time)
            }
            for notice in waiting { try transaction.add(notice) }
            if let done = daily?.done { try transaction.setLastDigest(done) }
        }
        self.expiries = expiries
        if !waiting.isEmpty { nextDelivery = time }
    }

    private func known() async throws -> ExpiryNotices {
        if let expiries { return expiries }
        let read = ExpiryNotices(announced: try await store.read { try $0.announcements() })
        expiries = read
        return read
    }

    private func message(
        _ kind: NoticeMessage.Kind,
        _ notices: [ExpiryNotice],
        _ fleet: FleetID?,
        _ time: UTCTime
    ) -> NoticeMessage? {
        NoticeMessage(id: Hex.encode(RandomBytes.make(16)), fleet: fleet, kind: kind, time: time, notices: notices)
    }

    /// A message as it waits for each of the channels.
    ///
    /// Whoever announces something adds it to the register in the same transaction as what it tells of, and calls
    /// `deliverSoon` after that.
    nonisolated func waiting(_ message: NoticeMessage) -> [StoredNotice] {
        options.channels.map { Self.stored(message, for: $0) }
    }

    /// Looks for messages that were added.
    func deliverSoon() {
        additions += 1
        nextDelivery = nil
    }

    private static func stored(_ message: NoticeMessage, for channel: any NoticeChannel) -> StoredNotice {
        StoredNotice(
            id: message.id,
            channel: channel.id,
            kind: message.kind.rawValue,
            body: channel.bytes(message),
            made: message.time
        )
    }

    // MARK: - Delivering

    /// Whether a message may be due at `time`.
    func isDeliveryDue(at time: UTCTime) -> Bool { nextDelivery.map { $0 <= time } ?? true }

    /// Delivers every message that is due; channels do not wait for each other.
    func deliver() async throws {
        let before = additions
        let waiting = Dictionary(grouping: try await store.read { try $0.waitingNotices() }, by: \.channel)
        await withTaskGroup(of: Void.self) { group in
            for channel in options.channels {
                guard let messages = waiting[channel.id] else { continue }
                group.addTask { await self.deliver(messages, by: channel) }
            }
        }
        for (channel, messages) in waiting where !options.channels.contains(where: { $0.id == channel }) {
            try await abandon(messages, of: channel)
        }
        let left = try await store.read { try $0.waitingNotices() }
        let mine = left.filter { notice in options.channels.contains { $0.id == notice.channel } }
        // What was added meanwhile may not be among these.
        guard additions == before else { return }
        nextDelivery = mine.map(\.nextAttempt).min() ?? UTCTime(milliseconds: .max)
    }

    /// Delivers by one channel, oldest first, until one fails.
    private func deliver(_ messages: [StoredNotice], by channel: any NoticeChannel) async {
        for notice in messages where notice.nextAttempt <= clock() {
            do {
                try await channel.deliver(notice.body, id: notice.id)
            } catch {
                if !Task.isCancelled { await failed(notice, channel, error.message) }
                return
            }
            do {
                try await store.write { try $0.removeNotice(id: notice.id, channel: notice.channel) }
            } catch {
                log.error("notice \(notice.id) was delivered and may be delivered again: \(error)")
                return
            }
        }
    }

    private func failed(_ notice: StoredNotice, _ channel: any NoticeChannel, _ why: String) async {
        let time = clock()
        let next = DeliverySchedule.next(after: notice.failures + 1, made: notice.made, time: time)
        log.warning("notice \(notice.id): \(why)\(next.map { ", again at \($0)" } ?? ", given up")")
        var detail: JSONObject = ["message": .string(notice.id), "channel": .string(channel.name), "why": .string(why)]
        if let next { detail["again"] = .string(next.description) }
        let event = JSONValue.object(detail)
        do {
            try await store.write { transaction in
                if let next {
                    try transaction.noticeFailed(notice, next: next)
                    guard notice.failures == 0 else { return }
                    try transaction.append(event: "notice-failed", actor: "musterd", detail: event, at: time)
                } else {
                    try transaction.removeNotice(id: notice.id, channel: notice.channel)
                    try transaction.append(event: "notice-given-up", actor: "musterd", detail: event, at: time)
                }
            }
        } catch {
            log.error("notice \(notice.id): \(error)")
        }
    }

    /// Gives up, in the end, what waits for a channel that is no longer configured.
    private func abandon(_ messages: [StoredNotice], of channel: String) async throws {
        let time = clock()
        for notice in messages where DeliverySchedule.next(after: 1, made: notice.made, time: time) == nil {
            let detail: JSONValue = [
                "message": .string(notice.id), "channel": .string(channel),
                "why": "the channel is no longer configured",
            ]
            try await store.write { transaction in
                try transaction.removeNotice(id: notice.id, channel: channel)
                try transaction.append(event: "notice-given-up", actor: "musterd", detail: detail, at: time)
            }
        }
    }
}
