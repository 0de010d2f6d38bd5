import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterIdentity
import MusterModel
import MusterStore
import SignatureVerification

/// Changes of node keys, one at a time: on disk, with their event, before anybody hears of them.
final class NodeKeys: Sendable {
    private let store: Store
    private let nodes: NodeRegister
    private let lifetime: Int64
    private let turnstile = Turnstile()

    /// Keys live for `lifetime` seconds.
    init(store: Store, nodes: NodeRegister, lifetime: Int64) {
        self.store = store
        self.nodes = nodes
        self.lifetime = lifetime
    }

    /// Gives keys from before keys had an end a life from now on.
    func begin(at time: UTCTime) async throws {
        let lifetime = lifetime
        try await store.write { try $0.beginKeyLives(at: time, lifetime: lifetime) }
    }

    /// Takes the key that is to follow a node's present one.
    func offer(
        _ request: NodeKeyRequest,
        from node: NodeID,
        fleet: FleetID,
        at time: UTCTime
    ) async throws -> NodeKeyReply {
        let lifetime = lifetime
        let life = try await change(node) { transaction, stored in
            switch stored.keyLife.offer(request.newKey, at: time) {
            case .known: return stored.keyLife
            case .expired: throw Self.expired(stored)
            case .tooEarly(let seconds):
                throw Problem.tooMany("the key was replaced lately: ask again in \(seconds) seconds")
            case .accepted: break
            }
            try Self.verify(
                request,
                NodeKeyRequest.proof(
                    fleet: fleet,
                    node: node,
                    oldKey: stored.keyLife.key,
                    newKey: request.newKey
                ),
                oldKey: stored.keyLife.key
            )
            guard try !transaction.isTaken(key: request.newKey) else {
                throw Problem.conflict("the new key is or was another's: make another one")
            }
            try transaction.addSuccession(
                of: node,
                from: stored.keyLife.key,
                to: request.newKey,
                signature: request.oldSignature,
                at: time
            )
            try transaction.append(
                event: "node-key-offered",
                actor: node.text,
                detail: [
                    "node": JSONValue(node), "old_key": .string(Hex.encode(stored.keyLife.key)),
                    "new_key": .string(Hex.encode(request.newKey)),
                ],
                at: time
            )
            return stored.keyLife
        }
        let expires = life.key == request.newKey ? life.expires : life.next?.since.adding(seconds: lifetime)
        return NodeKeyReply(expires: expires ?? life.expires)
    }

    private static func expired(_ stored: StoredNode) -> Problem {
        .refused(
            "the key of node '\(stored.id)' expired at \(stored.keyLife.expires): "
                + "an operator lets it be replaced with 'muster node extend \(stored.name) --reason TEXT'"
        )
    }

    private static func verify(_ request: NodeKeyRequest, _ proof: JSONValue, oldKey: [UInt8]) throws(Problem) {
        let message = proof.canonicalBytes
        guard Ed25519.verify(signature: request.oldSignature, message: message, publicKey: oldKey) else {
            throw .notVerified("the new key is not signed by the present one")
        }
        guard Ed25519.verify(signature: request.newSignature, message: message, publicKey: request.newKey) else {
            throw .notVerified("the new key has not signed that it follows the present one")
        }
    }

    /// How a node's present key came to follow earlier ones, oldest first.
    func successions(of node: NodeID) async throws -> [NodeKeySuccession] {
        try await store.read { try $0.successions(of: node, limit: NodeKeySuccession.limit) }.map {
            NodeKeySuccession(oldKey: $0.oldKey, newKey: $0.newKey, signature: $0.signature)
        }
    }

    /// A key proved itself for a session; where it is the one that was to follow, or one that the present key signed the way
    /// to, those before are retired, on disk.
    func use(
        _ key: [UInt8],
        of node: NodeID,
        by successions: [SignedKeySuccession],
        fleet: FleetID,
        at time: UTCTime
    ) async throws {
        guard nodes[node]?.node.key != key else { return }
        let lifetime = lifetime
        try await change(node) { transaction, stored in
            switch stored.keyLife.use(key, lifetime: lifetime) {
            case .present: return
            case .unknown:
                let way = try Self.way(by: successions, to: key, of: stored, at: time)
                for (place, link) in way.enumerated() {
                    try Self.follow(link, place, of: stored, fleet: fleet, at: time, in: transaction)
                }
                stored.keyLife.follow(key, at: time, lifetime: lifetime)
            case .replaced(let retired):
                try transaction.retire(key: retired, of: node, reason: "replaced by a newer key", at: time)
                try transaction.append(
                    event: "node-key-rotated",
                    actor: node.text,
                    detail: [
                        "node": JSONValue(node), "old_key": .string(Hex.encode(retired)),
                        "new_key": .string(Hex.encode(key)), "expires": .integer(stored.keyLife.expires.milliseconds),
                    ],
                    at: time
                )
            }
        }
    }

    /// What leads from the key in the register to `key`: nothing leads there from one that was replaced, whoever has it.
    private static func way(
        by successions: [SignedKeySuccession],
        to key: [UInt8],
        of stored: StoredNode,
        at time: UTCTime
    ) throws(Problem) -> ArraySlice<SignedKeySuccession> {
        guard let start = successions.firstIndex(where: { $0.oldKey == stored.keyLife.key }),
            successions.last?.newKey == key
        else { throw .unauthenticated("this key of node '\(stored.id)' is not, or no more, the one in the register") }
        guard !stored.keyLife.isLimited(at: time) else { throw expired(stored) }
        let way = successions[start...]
        for (link, next) in zip(way, way.dropFirst()) where link.newKey != next.oldKey {
            throw .notVerified("the keys of node '\(stored.id)' do not follow one another")
        }
        return way
    }

    /// Takes one key after another as if it had been offered and used; a register that was put back knows it again.
    private static func follow(
        _ link: SignedKeySuccession,
        _ place: Int,
        of stored: StoredNode,
        fleet: FleetID,
        at time: UTCTime,
        in transaction: StoreTransaction
    ) throws {
        let node = stored.id
        try verify(
            NodeKeyRequest(newKey: link.newKey, oldSignature: link.oldSignature, newSignature: link.newSignature),
            NodeKeyRequest.proof(fleet: fleet, node: node, oldKey: link.oldKey, newKey: link.newKey),
            oldKey: link.oldKey
        )
        // First the old one, so that no way leads back to it.
        try transaction.retire(key: link.oldKey, of: node, reason: "replaced by a newer key", at: time)
        guard try link.newKey == stored.keyLife.next?.key || !transaction.isTaken(key: link.newKey) else {
            throw Problem.conflict("a key of node '\(node)' that is to follow is or was another's, or was replaced")
        }
        try transaction.addSuccession(
            of: node,
            from: link.oldKey,
            to: link.newKey,
            signature: link.oldSignature,
            // They are told in their order.
            at: time.adding(milliseconds: Int64(place))
        )
        try transaction.append(
            event: "node-key-rotated",
            actor: node.text,
            detail: [
                "node": JSONValue(node), "old_key": .string(Hex.encode(link.oldKey)),
                "new_key": .string(Hex.encode(link.newKey)), "recovered": .bool(true),
            ],
            at: time
        )
    }

    /// Takes note that a node's key expired, or that it may act again; false where that was noted already.
    func noteExpiry(of node: NodeID, at time: UTCTime) async throws -> Bool {
        try await change(node) { transaction, stored in
            let isLimited = stored.keyLife.isLimited(at: time)
            guard isLimited != stored.keyLife.isExpiryNoted else { return false }
            stored.keyLife.isExpiryNoted = isLimited
            guard isLimited else { return true }
            var detail: JSONObject = [
                "node": JSONValue(node), "name": .string(stored.name),
                "expired": .integer(stored.keyLife.expires.milliseconds),
            ]
            if let extended = stored.keyLife.extendedUntil {
                detail["extended_until"] = .integer(extended.milliseconds)
            }
            try transaction.append(event: "node-key-expired", actor: "musterd", detail: .object(detail), at: time)
            return true
        }
    }

    /// Changes a node's key life by what is on disk; `body` may write its events beside it.
    func change<Value: Sendable>(
        _ node: NodeID,
        _ body: @escaping @Sendable (StoreTransaction, inout StoredNode) throws -> Value
    ) async throws -> Value {
        try await turnstile.pass {
            let (life, value) = try await store.write { transaction in
                guard var stored = try transaction.node(node) else {
                    throw Problem.missing("there is no node '\(node)'")
                }
                let before = stored.keyLife
                let value = try body(transaction, &stored)
                if stored.keyLife != before { try transaction.put(stored.keyLife, of: node) }
                return (stored.keyLife, value)
            }
            nodes.update(node) { $0.keyLife = life }
            return value
        }
    }
}

extension NodeKeyNotice {
    /// What a node is told of its key.
    init(_ life: NodeKeyLife, at time: UTCTime) {
        self.init(
            expires: life.expires,
            rotateAfter: life.rotateAfter,
            extendedUntil: life.extendedUntil.flatMap { $0 > time ? $0 : nil },
            state: life.state(at: time).rawValue
        )
    }
}

extension NodeKeyRecord {
    /// What operators are told of a node's key.
    init(_ life: NodeKeyLife, at time: UTCTime) {
        self.init(
            since: life.since,
            expires: life.isExempt ? nil : life.expires,
            isExempt: life.isExempt,
            extendedUntil: life.extendedUntil.flatMap { $0 > time ? $0 : nil },
            state: life.state(at: time).rawValue,
            publicKey: life.key
        )
    }
}
