import ByteCoding
import CanonicalJSON
import MusterIdentity
import MusterModel
import MusterSigners
import MusterStore
import MusterSystem
import NIOCore
import SignatureVerification
import Synchronization
import TUF

/// Update manifests: what each node has to do, signed when the node asks and something changed.
///
/// A manifest follows from assignments and `tag-node` statements on disk alone, so a crash loses none. A node without work
/// has no manifest, and asking again costs no look into the register.
final class Manifests: Sendable {
    /// What is known of a node's newest manifest without looking it up.
    private struct Known: Sendable {
        let sequence: Int64
        let expires: UTCTime
        let hasWork: Bool
    }

    private struct Cache: Sendable {
        var known: [NodeID: Known] = [:]
        /// How often what a node has to do has changed: what was read before a change must not be remembered after it.
        var changes: [NodeID: UInt64] = [:]
        /// How often polls had been ended when the node's last one began or ended.
        var interruptions: [NodeID: UInt64] = [:]

        /// Whether polls were ended since the node was last here; a node that was never here looks by itself.
        mutating func notes(_ count: UInt64, for node: NodeID) -> Bool {
            guard let before = interruptions.updateValue(count, forKey: node) else { return false }
            return before != count
        }
    }

    /// What a node has to do, and what it was told last.
    struct Content: Sendable {
        let assignments: [UpdateManifest.Assignment]
        let tags: [SignedStatement]
        let work: RunWork.Content
        let reach: [ReachTask]
        let stored: StoredManifest?

        var isEmpty: Bool { assignments.isEmpty && tags.isEmpty && work.isEmpty && reach.isEmpty }
        var hasWork: Bool { !assignments.isEmpty || !work.isEmpty }

        /// What tells this content, signed by a key, from any other: once the key is replaced, what it signed serves no more.
        func digest(signedBy key: [UInt8]) -> [UInt8] {
            let assignments = assignments.map { (assignment) -> JSONValue in
                [
                    "rollout": JSONValue(assignment.rollout), "target": .string(assignment.target),
                    "statement": assignment.statement.json,
                ]
            }
            var object: JSONObject = [
                "assignments": .array(assignments), "tags": .array(tags.map(\.json)), "key": .string(Hex.encode(key)),
            ]
            if !work.runs.isEmpty { object["runs"] = .array(work.runs.map { .string(Hex.encode($0.digest)) }) }
            if !work.cancelled.isEmpty { object["cancelled"] = JSONValue(work.cancelled) }
            if !reach.isEmpty { object["reach"] = .array(reach.map(\.json)) }
            return Digest.sha256(JSONValue.object(object).canonicalBytes)
        }
    }

    /// A manifest is handed out only while it is good for so many seconds more.
    private static let margin: Int64 = 120

    private let store: Store
    private let repository: Repository
    private let keys: ServiceKeys
    private let rollouts: Rollouts
    private let runs: Runs
    private let nodes: NodeRegister
    private let reach: ReachRegister
    private let clock: @Sendable () -> UTCTime
    /// Wakes a node's long poll.
    private let polls: LongPoll<NodeID>
    private let cache = Mutex(Cache())
    /// How often every poll was ended.
    private let interruptions = Atomic<UInt64>(0)

    init(
        store: Store,
        repository: Repository,
        keys: ServiceKeys,
        rollouts: Rollouts,
        runs: Runs,
        nodes: NodeRegister,
        reach: ReachRegister,
        polls: LongPoll<NodeID>,
        clock: @escaping @Sendable () -> UTCTime
    ) {
        self.store = store
        self.repository = repository
        self.keys = keys
        self.rollouts = rollouts
        self.runs = runs
        self.nodes = nodes
        self.reach = reach
        self.polls = polls
        self.clock = clock
    }

    /// What a node has to do has changed.
    func changed(_ nodes: some Sequence<NodeID>) {
        for node in nodes {
            cache.withLock { cache in
                cache.known[node] = nil
                cache.changes[node, default: 0] += 1
            }
            polls.announce(node)
        }
    }

    /// Lets every poll of these nodes end without a manifest: there is something else to fetch from the repository.
    func interrupt(_ nodes: some Sequence<NodeID>) {
        interruptions.add(1, ordering: .relaxed)
        for node in nodes { polls.announce(node) }
    }

    /// The envelope of a manifest newer than `after`, waited for at most so long; nil where there is none, or at an
    /// interruption.
    ///
    /// After each wait `recheck` may refuse whoever waited.
    func poll(
        _ node: NodeID,
        after: Int64,
        seconds: Int64,
        on loop: any EventLoop,
        recheck: () async throws -> Void
    ) async throws -> [UInt8]? {
        let began = clock()
        let until = began.adding(seconds: seconds)
        if mayWork(node, at: began) { try await runs.contact(node, at: began) }
        while true {
            let mark = polls.mark(node)
            if let envelope = try await newest(node, after: after) { return envelope }
            // Also what was published while the node was between two polls ends this one.
            let count = interruptions.load(ordering: .relaxed)
            if cache.withLock({ $0.notes(count, for: node) }) { return nil }
            let left = until.seconds - clock().seconds
            guard left > 0 else { return nil }
            await polls.wait(for: node, after: mark, seconds: left, on: loop)
            if polls.isOver { return nil }
            try await recheck()
            if polls.mark(node) == mark { return nil }
        }
    }

    private func newest(_ node: NodeID, after: Int64) async throws -> [UInt8]? {
        let now = clock()
        let (known, changes) = cache.withLock { ($0.known[node], $0.changes[node]) }
        if let known, known.sequence <= after, !known.hasWork || known.expires > now.adding(seconds: Self.margin) {
            return nil
        }
        let content = try await content(node, at: now)
        let manifest: StoredManifest?
        do {
            manifest = try await self.manifest(node, content, after: after, at: now)
        } catch let error as StoreError where error.code == .conflict {
            // Another poll of the same node was faster.
            return try await newest(node, after: after)
        }
        let entry = Known(
            sequence: manifest?.sequence ?? 0,
            expires: manifest?.expires ?? now,
            hasWork: content.hasWork
        )
        cache.withLock { cache in
            if cache.changes[node] == changes { cache.known[node] = entry }
        }
        guard let manifest, manifest.sequence > after else {
            _ = try await runs.deliver(content.work, to: node, at: now)
            return nil
        }
        guard try await runs.deliver(content.work, to: node, at: now) else {
            return try await newest(node, after: after)
        }
        try await rollouts.seen(node, at: now)
        return manifest.envelope
    }

    private func mayWork(_ node: NodeID, at now: UTCTime) -> Bool {
        nodes[node]?.node.keyLife.isLimited(at: now) == false
    }

    /// A node whose key has expired gets its tags, and no work.
    private func content(_ node: NodeID, at now: UTCTime) async throws -> Content {
        let mayWork = mayWork(node, at: now)
        var work = runs.work.content(of: node)
        if !mayWork { work.runs = [] }
        let reach = mayWork ? reach.tasks(of: node, at: now) : []
        return try await store.read { [work] transaction in
            let assignments = mayWork ? try transaction.assignments(of: node) : []
            return Content(
                assignments: assignments.map {
                    UpdateManifest.Assignment(rollout: $0.rollout, target: $0.target, statement: $0.statement)
                },
                tags: try transaction.tagStatements(of: node, now: now, limit: 16),
                work: work,
                reach: reach,
                stored: try transaction.manifest(of: node)
            )
        }
    }

    /// The manifest that says `content`: the stored one where it still serves, else a new one with a higher sequence.
    private func manifest(
        _ node: NodeID,
        _ content: Content,
        after: Int64,
        at now: UTCTime
    ) async throws -> StoredManifest? {
        let digest = content.digest(signedBy: keys.manifest.publicKey)
        if let stored = content.stored, stored.content == digest, stored.sequence <= UpdateManifest.sequenceLimit {
            let isOld = stored.expires <= now.adding(seconds: Self.margin)
            if !isOld || (stored.sequence <= after && !content.hasWork) { return stored }
        }
        if content.stored == nil, content.isEmpty, after == 0 { return nil }
        let publication = try repository.publication()
        let manifest = UpdateManifest(
            fleet: publication.fleet,
            node: node,
            sequence: Self.sequence(above: content.stored?.sequence ?? 0, after),
            issued: now,
            expires: now.adding(seconds: UpdateManifest.lifetime),
            timestampVersion: publication.timestampVersion,
            assignments: content.assignments,
            tags: content.tags,
            cancelled: content.work.cancelled,
            reach: content.reach
        )
        let signed = StoredManifest(
            sequence: manifest.sequence,
            expires: manifest.expires,
            content: digest,
            envelope: try await envelope(manifest, content.work.runs)
        )
        try await store.grouped.write { try $0.put(signed, of: node) }
        return signed
    }

    /// A sequence above the last one and above what the node has, so that a service whose register was restored goes on.
    ///
    /// A node that a thief of the manifest key told an absurd sequence is not followed there, where soon nothing is above: it
    /// forgets that sequence itself once the key is replaced.
    static func sequence(above stored: Int64, _ after: Int64) -> Int64 {
        let last = stored < UpdateManifest.sequenceLimit ? stored : 0
        return max(last, after <= UpdateManifest.sequenceLimit / 2 ? after : 0) + 1
    }

    private func envelope(_ manifest: UpdateManifest, _ runs: [RunWork.Item]) async throws -> [UInt8] {
        let keyID = TUFKey(ed25519: keys.manifest.publicKey).id
        guard !runs.isEmpty else {
            let envelope = try SignedEnvelope(signed: manifest.json)
            let signature = try await keys.manifest.sign(envelope.canonicalBytes)
            return try envelope.adding(TUFSignature(keyID: keyID, signature: signature)).bytes
        }
        let text = ManifestText(manifest: manifest, runs: runs)
        return text.envelope(TUFSignature(keyID: keyID, signature: try await keys.manifest.sign(text.signed)))
    }
}
