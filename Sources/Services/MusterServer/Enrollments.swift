import ByteCoding
import CanonicalJSON
import Hummingbird
import Logging
import MusterAPI
import MusterIdentity
import MusterKeys
import MusterModel
import MusterPolicy
import MusterStore
import SignatureVerification
import Tailnet

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
        // Somebody who gives an id must not get the node that is called like it.
        guard NodeID(request.name.lowercased()).map(NodeID.isMadeOfKey) != true else {
            throw Problem.malformed("name: looks like a node's id: choose another one with muster-agent enroll --name")
        }
        if let reply = try await enrolled(request, call) { return Answer.body(reply) }
        try await requireFresh(request.nodeKey)
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
        switch NodeBinding.judge(node, call.identity, from: call.peer) {
        case .same, .rotated, .identified: break
        case .rekeyed:
            throw Problem.otherAddress("node '\(node.id)' has another tailnet key: let its agent log in first")
        case .other(let why): throw Problem.otherAddress(why)
        }
        return .enrolled(node: node.id, name: node.name, statement: statement)
    }

    /// A key joins once: not after it was replaced or its node was removed, and not while it is to follow another.
    private func requireFresh(_ key: [UInt8]) async throws {
        let (retirement, isFollowing) = try await service.store.read {
            (try $0.retirement(ofKey: key), try $0.isFollowing(key: key))
        }
        if let retirement {
            throw Problem.refused(
                "this key was retired (node '\(retirement.node)', \(retirement.reason)) and can never join again: "
                    + "'muster-agent serve' goes on with a newer one where there is one, else remove the node's state folder"
            )
        }
        guard !isFollowing else { throw Problem.refused("this key is to replace that of a node that has joined") }
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
        let place = Place(address: call.peer, tailnet: TailnetBinding(call.identity, at: time))
        let joined = try await service.store.write { transaction -> Joined? in
            guard try transaction.takeUse(secretSHA256: digest, now: time) else { return nil }
            return try add(
                key: request.nodeKey,
                name: request.name,
                at: place,
                tags: body.tags,
                statement: signed.statement.id,
                time: time,
                transaction
            )
        }
        guard let joined else { throw Problem.refused("the token has no uses left, or has expired") }
        service.gate.remember(call.identity)
        await service.joined(joined.node, replacing: joined.replaced, at: time)
        return .enrolled(node: joined.node.id, name: joined.node.name, statement: signed)
    }

    /// Approves the waiting node that an `enroll` statement names; called with the statement verified and allowed.
    func approve(_ signed: SignedStatement, _ body: EnrollBody, key: [UInt8], at time: UTCTime) async throws -> String {
        let joined = try await service.store.write { transaction -> Joined in
            guard let pending = try transaction.pendingEnrollment(key: key) else {
                throw Problem.missing("no node with this key waits for approval: run muster-agent enroll on it again")
            }
            guard try transaction.add(signed, received: time) else {
                throw Problem.conflict("statement \(signed.statement.id) was used before")
            }
            try transaction.removePending(key: key)
            return try add(
                key: key,
                name: pending.name,
                at: Place(pending, time: time),
                tags: body.tags,
                statement: signed.statement.id,
                time: time,
                transaction
            )
        }
        await service.joined(joined.node, replacing: joined.replaced, at: time)
        return "node \(joined.node.name) (\(joined.node.id)) joined"
    }

    /// Where a node is: its address, and who that is on the tailnet.
    private struct Place: Sendable {
        let address: String
        let tailnet: TailnetBinding

        init(address: String, tailnet: TailnetBinding) {
            self.address = address
            self.tailnet = tailnet
        }

        init(_ pending: StoredPending, time: UTCTime) {
            address = pending.address
            var binding =
                pending.tailnet
                ?? TailnetBinding(id: "address:\(pending.address)", key: "", name: "", keySince: nil)
            if !binding.key.isEmpty { binding.keySince = time }
            tailnet = binding
        }
    }

    /// A node that joined, and those whose place it took.
    private struct Joined: Sendable {
        let node: StoredNode
        let replaced: [NodeID]
    }

    private func add(
        key: [UInt8],
        name: String,
        at place: Place,
        tags: [Tag],
        statement: StatementID,
        time: UTCTime,
        _ transaction: StoreTransaction
    ) throws -> Joined {
        guard let id = NodeID(joiningWith: key) else { throw Problem.failed("no node id") }
        let replaced = try Self.replace(place.tailnet, by: id, at: time, transaction)
        let node = StoredNode(
            id: id,
            name: try transaction.freeName(name),
            keyLife: NodeKeyLife(key: key, since: time, lifetime: service.options.nodeKeyLifetime),
            address: place.address,
            tags: tags,
            statement: statement,
            enrolled: time,
            tailnet: place.tailnet
        )
        try transaction.add(node)
        try transaction.append(
            event: "node-enrolled",
            actor: id.text,
            detail: [
                "node": JSONValue(id), "name": .string(node.name), "address": .string(place.address),
                "tags": JSONValue(tags), "statement": JSONValue(statement), "tailnet": .string(place.tailnet.id),
                "tailnet_key": .string(place.tailnet.key),
            ],
            at: time
        )
        return Joined(node: node, replaced: replaced)
    }

    /// Takes out who had this tailnet identity before: one machine is one node.
    ///
    /// An address alone is no identity.
    private static func replace(
        _ tailnet: TailnetBinding,
        by id: NodeID,
        at time: UTCTime,
        _ transaction: StoreTransaction
    ) throws -> [NodeID] {
        guard !tailnet.id.hasPrefix("address:") else { return [] }
        let old = try transaction.nodes(tailnetID: tailnet.id).filter { $0.id != id }
        for node in old {
            try transaction.remove(node, reason: "replaced by \(id)", at: time)
            try transaction.append(
                event: "node-replaced",
                actor: id.text,
                detail: [
                    "node": JSONValue(node.id), "name": .string(node.name), "by": JSONValue(id),
                    "tailnet": .string(tailnet.id),
                ],
                at: time
            )
        }
        return old.map(\.id)
    }

    // MARK: - Waiting for approval

    private func wait(_ request: EnrollRequest, _ call: Call) async throws -> EnrollReply {
        let time = call.time
        let peer = call.peer
        let identity = call.identity
        let code = try await service.store.write { transaction -> String in
            try transaction.removePending(askedBefore: time.adding(seconds: -Self.pendingSeconds))
            if let pending = try transaction.pendingEnrollment(key: request.nodeKey) {
                guard pending.tailnet?.id ?? "address:\(pending.address)" == identity.id else {
                    throw Problem.otherAddress("this node asked from \(pending.address) before")
                }
                if pending.code == EnrollmentCode.text(of: request.nodeKey) { return pending.code }
                // Its code was made up by an earlier version, and nobody can approve it by that.
                try transaction.removePending(key: request.nodeKey)
            }
            let waiting = try transaction.pendingEnrollments()
            guard waiting.count < Self.pendingLimit,
                waiting.count(where: { $0.address == peer }) < Self.pendingLimitPerAddress
            else {
                throw Problem.tooMany("too many nodes wait for approval: approve or wait for a day, or use a token")
            }
            let code = EnrollmentCode.text(of: request.nodeKey)
            try transaction.add(
                StoredPending(
                    key: request.nodeKey,
                    code: code,
                    name: request.name,
                    address: peer,
                    asked: time,
                    tailnet: TailnetBinding(identity, at: time)
                )
            )
            try transaction.append(
                event: "node-waits",
                actor: "musterd",
                detail: [
                    "name": .string(request.name), "node_key": .string(Hex.encode(request.nodeKey)),
                    "address": .string(peer), "tailnet": .string(identity.id),
                ],
                at: time
            )
            return code
        }
        service.gate.remember(identity)
        return .pending(code: code, retrySeconds: Self.retrySeconds, link: link(code, call))
    }

    /// The page about a code, at the address that the node itself uses.
    private func link(_ code: String, _ call: Call) -> String? {
        guard let local = call.channel.localAddress, let ip = local.ipAddress.flatMap({ IPAddress($0) }),
            let port = local.port
        else { return nil }
        let scheme = service.options.tls == nil ? "http" : "https"
        let host = ip.bytes.count == 4 ? "\(ip)" : "[\(ip)]"
        return "\(scheme)://\(host):\(port)/enroll/\(code)"
    }

    private static func isHostName(_ name: String) -> Bool {
        guard let first = name.utf8.first, first != UInt8(ascii: "-"), first != UInt8(ascii: ".") else { return false }
        // A last dot would let `db.` be certified as `db`.
        guard !name.hasSuffix("."), !name.contains("..") else { return false }
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
