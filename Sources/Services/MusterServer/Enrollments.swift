import ByteCoding
import CanonicalJSON
import Hummingbird
import Logging
import MusterAPI
import MusterKeys
import MusterModel
import MusterPolicy
import MusterStore
import SignatureVerification

/// How nodes join: with a token's secret, or by an operator's approval.
struct Enrollments: Sendable {
    let service: FleetService

    /// Most nodes that may wait for approval, in all and from one address.
    private static let pendingLimit = 1000
    private static let pendingLimitPerAddress = 32
    /// How long a node may wait.
    private static let pendingSeconds: Int64 = 86400
    /// After how many seconds a waiting node asks again.
    private static let retrySeconds = 5

    /// `GET /v1/enroll/statement?secret_sha256=HEX`.
    func statement(_ call: Call) async throws -> Response {
        guard let text = call.query("secret_sha256"), let digest = Hex.decode(text), digest.count == 32 else {
            throw Problem.malformed("query member 'secret_sha256' is not 32 bytes in lower-case hexadecimal digits")
        }
        guard let statement = try await service.store.read({ try $0.statement(secretSHA256: digest) }) else {
            throw Problem.missing("no token with this secret was made here")
        }
        return Answer.json(statement.json)
    }

    /// `POST /v1/enroll`.
    func enroll(_ call: Call) async throws -> Response {
        let request: EnrollRequest = try await call.body()
        let publication = try service.repository.publication()
        guard request.fleet == publication.fleet else {
            throw Problem.unauthenticated("this is fleet \(publication.fleet), the token is for \(request.fleet)")
        }
        let proof = EnrollRequest.proof(fleet: request.fleet, name: request.name, nodeKey: request.nodeKey)
        guard
            Ed25519.verify(
                signature: request.signature,
                message: proof.canonicalBytes,
                publicKey: request.nodeKey
            )
        else { throw Problem.unauthenticated("the request is not signed by its own node key") }
        guard Self.isHostName(request.name) else {
            throw Problem.malformed("name: is not a host name of letters, digits, '-', '_' and '.'")
        }
        if let reply = try await enrolled(request, call) { return Answer.body(reply) }
        guard let secret = request.secret else { return Answer.body(try await wait(request, call), status: .accepted) }
        return Answer.body(try await join(request, Digest.sha256(secret), publication, call), status: .created)
    }

    /// A node that asks again, since it lost our answer or was approved meanwhile.
    private func enrolled(_ request: EnrollRequest, _ call: Call) async throws -> EnrollReply? {
        let found = try await service.store.read { transaction -> (StoredNode, SignedStatement)? in
            guard let node = try transaction.node(key: request.nodeKey),
                let statement = try transaction.statement(node.statement)
            else { return nil }
            return (node, statement)
        }
        guard let (node, statement) = found else { return nil }
        guard node.address == call.peer else {
            throw Problem.otherAddress(
                "node '\(node.id)' is bound to \(node.address), the request comes from \(call.peer)"
            )
        }
        return .enrolled(node: node.id, name: node.name, statement: statement)
    }

    private func join(
        _ request: EnrollRequest,
        _ digest: [UInt8],
        _ publication: Publication,
        _ call: Call
    ) async throws -> EnrollReply {
        guard let signed = try await service.store.read({ try $0.statement(secretSHA256: digest) }),
            case .enroll(let body) = signed.statement.body
        else { throw Problem.unauthenticated("no token with this secret was made here") }
        let check = StatementCheck(publication: publication, time: call.time)
        do throws(Problem) {
            try check.require(signed.statement, signers: try check.signers(signed), node: nil)
        } catch {
            throw error.status == 422 ? Problem.refused(error.detail) : error
        }
        let time = call.time
        let peer = call.peer
        let node = try await service.store.write { transaction -> StoredNode? in
            guard try transaction.takeUse(secretSHA256: digest, now: time) else { return nil }
            return try Self.add(
                key: request.nodeKey,
                name: request.name,
                address: peer,
                tags: body.tags,
                statement: signed.statement.id,
                at: time,
                transaction
            )
        }
        guard let node else { throw Problem.refused("the token has no uses left, or has expired") }
        await service.joined(node, at: time)
        return .enrolled(node: node.id, name: node.name, statement: signed)
    }

    /// Approves the waiting node that an `enroll` statement names; called with the statement verified and allowed.
    func approve(_ signed: SignedStatement, _ body: EnrollBody, key: [UInt8], at time: UTCTime) async throws -> String {
        let node = try await service.store.write { transaction -> StoredNode in
            guard let pending = try transaction.pendingEnrollment(key: key) else {
                throw Problem.missing("no node with this key waits for approval: run muster-agent enroll on it again")
            }
            guard try transaction.add(signed, received: time) else {
                throw Problem.conflict("statement \(signed.statement.id) was used before")
            }
            try transaction.removePending(key: key)
            return try Self.add(
                key: key,
                name: pending.name,
                address: pending.address,
                tags: body.tags,
                statement: signed.statement.id,
                at: time,
                transaction
            )
        }
        await service.joined(node, at: time)
        return "node \(node.name) (\(node.id)) joined"
    }

    private static func add(
        key: [UInt8],
        name: String,
        address: String,
        tags: [Tag],
        statement: StatementID,
        at time: UTCTime,
        _ transaction: StoreTransaction
    ) throws -> StoredNode {
        guard let id = NodeID("node-" + Hex.encode(Digest.sha256(key)).prefix(16)) else {
            throw Problem.failed("no node id")
        }
        let node = StoredNode(
            id: id,
            name: try transaction.freeName(name),
            key: key,
            address: address,
            tags: tags,
            statement: statement,
            enrolled: time
        )
        try transaction.add(node)
        try transaction.append(
            event: "node-enrolled",
            actor: id.text,
            detail: [
                "node": JSONValue(id), "name": .string(node.name), "address": .string(address),
                "tags": JSONValue(tags), "statement": JSONValue(statement),
            ],
            at: time
        )
        return node
    }

    // MARK: - Waiting for approval

    private func wait(_ request: EnrollRequest, _ call: Call) async throws -> EnrollReply {
        let time = call.time
        let peer = call.peer
        let code = try await service.store.write { transaction -> String in
            try transaction.removePending(askedBefore: time.adding(seconds: -Self.pendingSeconds))
            if let pending = try transaction.pendingEnrollment(key: request.nodeKey) {
                guard pending.address == peer else {
                    throw Problem.otherAddress("this node asked from \(pending.address) before")
                }
                return pending.code
            }
            let waiting = try transaction.pendingEnrollments()
            guard waiting.count < Self.pendingLimit,
                waiting.count(where: { $0.address == peer }) < Self.pendingLimitPerAddress
            else {
                throw Problem.tooMany("too many nodes wait for approval: approve or wait for a day, or use a token")
            }
            let codes = Set(waiting.map(\.code))
            var code = Self.code(RandomBytes.make(8))
            while codes.contains(code) { code = Self.code(RandomBytes.make(8)) }
            try transaction.add(
                StoredPending(key: request.nodeKey, code: code, name: request.name, address: peer, asked: time)
            )
            try transaction.append(
                event: "node-waits",
                actor: "musterd",
                detail: [
                    "name": .string(request.name), "node_key": .string(Hex.encode(request.nodeKey)),
                    "address": .string(peer),
                ],
                at: time
            )
            return code
        }
        return .pending(code: code, retrySeconds: Self.retrySeconds)
    }

    /// Eight characters that people do not mix up, such as `K7QD-42MX`.
    private static func code(_ random: [UInt8]) -> String {
        let characters = random.map { alphabet[Int($0) % alphabet.count] }
        return String(characters[..<4]) + "-" + String(characters[4...])
    }

    /// 32 characters, so that every byte is as likely as any other.
    private static let alphabet = Array("ABCDEFGHJKLMNPQRSTUVWXYZ23456789")

    private static func isHostName(_ name: String) -> Bool {
        guard let first = name.utf8.first, first != UInt8(ascii: "-"), first != UInt8(ascii: ".") else { return false }
        return name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
                true
            default: false
            }
        }
    }
}
