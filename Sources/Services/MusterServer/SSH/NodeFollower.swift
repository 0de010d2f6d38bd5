import ByteCoding
import CanonicalJSON
import MusterModel
import MusterStore
import Synchronization

/// Revokes what hung on a node that left, or whose key changed or expired.
///
/// It follows the log of events, with its place in the log written in the same transaction as the revocations: whoever
/// removes a node or notes a new key need not know of certificates, and a crash between the two loses nothing.
final class NodeFollower: Sendable {
    /// After which events the certificates that were asked for from the node, and its host certificates, count no more.
    ///
    /// Host certificates are asked for again by the agent itself.
    static let events = [
        "node-removed": "the node was removed", "node-replaced": "the node was replaced",
        "node-key-rotated": "the node's key was replaced", "node-key-expired": "the node's key expired",
        "node-tailnet-key-rotated": "the node's tailnet key was replaced",
    ]
    private static let place = "ssh-follower"
    private static let page = 2000

    private let store: Store
    private let turnstile = Turnstile()
    private let isWoken = Mutex(true)

    init(_ store: Store) {
        self.store = store
    }

    /// There are new events.
    func wake() {
        isWoken.withLock { $0 = true }
    }

    /// Revokes what new events call for; whether there was anything.
    func follow(at time: UTCTime) async throws -> Bool {
        guard isWoken.withLock({ $0 }) else { return false }
        return try await turnstile.pass {
            isWoken.withLock { $0 = false }
            var hasRevoked = false
            do {
                while true {
                    let (revoked, isDone) = try await step(at: time)
                    hasRevoked = hasRevoked || revoked
                    if isDone { return hasRevoked }
                }
            } catch {
                wake()
                throw error
            }
        }
    }

    private func step(at time: UTCTime) async throws -> (revoked: Bool, isDone: Bool) {
        try await store.write { transaction in
            let before = try transaction.setting(Self.place).flatMap { String(validating: $0, as: UTF8.self) }
            let from = before.flatMap { Int64($0) } ?? 0
            let (events, last) = try transaction.events(
                after: from,
                types: Self.events.keys.sorted(),
                limit: Self.page
            )
            guard last > from else { return (false, true) }
            var hasRevoked = false
            for event in events {
                let fields = try JSONFields(event)
                let node: NodeID = try fields.fields("detail").name("node")
                let type = try fields.string("type")
                let moment = try fields.milliseconds("time")
                let reason = Self.events[type] ?? type
                if try Self.revoke(node, until: moment, reason, transaction, at: time) { hasRevoked = true }
            }
            try transaction.set(Self.place, Array(String(last).utf8))
            return (hasRevoked, last - from < Int64(Self.page))
        }
    }

    private static func revoke(
        _ node: NodeID,
        until moment: UTCTime,
        _ reason: String,
        _ transaction: StoreTransaction,
        at time: UTCTime
    ) throws -> Bool {
        let met = try transaction.unrevokedCertificates(goodAfter: time, of: node).filter { $0.issued <= moment }
        guard !met.isEmpty else { return false }
        let version = try transaction.revoke(
            serials: met.map(\.serial),
            others: [],
            subject: "node \(node)",
            reason: reason,
            actor: "musterd",
            statement: nil,
            at: time
        )
        try transaction.append(
            event: "ssh-revoked",
            actor: "musterd",
            detail: [
                "subject": .string("node \(node)"), "node": JSONValue(node), "reason": .string(reason),
                "krl_version": .integer(version), "certificates": JSONValue(met.count),
            ],
            at: time
        )
        return true
    }
}
