import ByteCoding
import CanonicalJSON
import Hummingbird
import MusterAPI
import MusterModel
import MusterPolicy
import MusterStore

/// Holds and pins of nodes: what stops a change needs no signature, and no rule.
///
/// Any operator may hold a node or pin a package of it. To lift what somebody else set is for those who may upgrade that
/// node. The service alone keeps them, and a stolen one could forget them: what must not be changed whatever the service
/// says is pinned in the node's own configuration.
struct NodeHolds: Sendable {
    let service: FleetService

    /// Most packages of a node that are pinned.
    static let pinLimit = 256

    /// `POST /v1/nodes/{id}/hold`, `/unhold`, `/pin` and `/unpin`.
    func control(_ call: Call, _ text: String, _ action: String) async throws -> Response {
        let name = try service.operators.authenticate(call)
        let node = try service.operators.find(text).node
        let change: Change
        switch action {
        case "hold": change = try hold(try await call.body(), node, name, at: call.time)
        case "unhold":
            let request: ReasonRequest = try await call.body()
            change = Change("node-unheld", request.reason, [:]) {
                $0.hold = nil
            } write: {
                try $0.removeHold(of: node.id)
            }
        case "pin": change = try pin(try await call.body(), node, name, at: call.time)
        case "unpin":
            let request: UnpinRequest = try await call.body()
            change = Change("node-unpinned", request.reason, ["package": .string(request.package)], request.package) {
                $0.remove(pinOf: request.package)
            } write: {
                try $0.removePin(of: request.package, on: node.id)
            }
        default: throw Problem.missing("a node can be held, unheld, pinned and unpinned")
        }
        try await service.holdTurnstile.pass { try await apply(change, node, name, at: call.time) }
        try await service.changed(node.id, at: call.time)
        let targets = await service.rollouts.targets()
        return Answer.body(NodeView(service: service, time: call.time).record(try entry(node), targets))
    }

    /// One change, with its event.
    private struct Change: Sendable {
        let event: String
        let detail: JSONObject
        /// The package that it is about; nil for the whole node.
        let package: String?
        /// Makes it in memory.
        let make: @Sendable (inout NodeRegister.Entry) -> Void
        /// Writes it; false where there is nothing to lift.
        let write: @Sendable (StoreTransaction) throws -> Bool

        init(
            _ event: String,
            _ reason: String,
            _ detail: JSONObject,
            _ package: String? = nil,
            make: @escaping @Sendable (inout NodeRegister.Entry) -> Void,
            write: @escaping @Sendable (StoreTransaction) throws -> Bool
        ) {
            self.event = event
            var object = detail
            object["reason"] = .string(reason)
            self.detail = object
            self.package = package
            self.make = make
            self.write = write
        }
    }

    private func hold(
        _ request: HoldRequest,
        _ node: StoredNode,
        _ name: OperatorName,
        at time: UTCTime
    ) throws(Problem) -> Change {
        try Self.require(request.reason)
        if let until = request.until, until <= time { throw .malformed("the hold would have ended at \(until)") }
        let hold = StoredHold(reason: request.reason, by: name, since: time, until: request.until)
        var detail = JSONObject()
        if let until = request.until { detail["until"] = .integer(until.milliseconds) }
        return Change("node-held", request.reason, detail) {
            $0.hold = hold
        } write: {
            try $0.put(hold, of: node.id)
            return true
        }
    }

    private func pin(
        _ request: PinRequest,
        _ node: StoredNode,
        _ name: OperatorName,
        at time: UTCTime
    ) throws(Problem) -> Change {
        try Self.require(request.reason)
        guard !request.package.isEmpty, request.version != "" else { throw .malformed("a pin names a package") }
        let pin = StoredPin(
            package: request.package,
            version: request.version,
            reason: request.reason,
            by: name,
            since: time
        )
        var detail: JSONObject = ["package": .string(request.package)]
        if let version = request.version { detail["version"] = .string(version) }
        return Change("node-pinned", request.reason, detail, request.package) {
            $0.add(pin)
        } write: {
            try $0.put(pin, of: node.id)
            return true
        }
    }

    private static func require(_ reason: String) throws(Problem) {
        guard StatedReason.isValid(reason) else {
            throw .malformed(
                "a reason is needed, in one line of at most \(StatedReason.byteLimit) bytes: others read it"
            )
        }
    }

    /// Writes the change; behind the turnstile, so that what it replaces is what was looked at.
    private func apply(_ change: Change, _ node: StoredNode, _ name: OperatorName, at time: UTCTime) async throws {
        if let other = owner(of: change.package, on: node.id), other != name {
            try requireUpgrader(name, node, change.package, setBy: other, at: time)
        }
        var changed = try entry(node)
        let before = changed.pins.count
        change.make(&changed)
        guard changed.pins.count <= max(before, Self.pinLimit) else {
            throw Problem.tooMany("\(node.name) has \(before) pinned packages")
        }
        var detail = change.detail
        detail["node"] = JSONValue(node.id)
        let event = JSONValue.object(detail)
        try await service.store.write { transaction in
            guard try change.write(transaction) else {
                let what = change.package.map { "\($0) is not pinned" } ?? "it is not held"
                throw Problem.conflict("\(node.name): \(what) by an operator")
            }
            try transaction.append(event: change.event, actor: name.text, detail: event, at: time)
        }
        service.nodes.set(hold: changed.hold, pins: changed.pins, of: node.id)
    }

    /// The node as it is now, which may have left since it was found.
    private func entry(_ node: StoredNode) throws(Problem) -> NodeRegister.Entry {
        guard let entry = service.nodes[node.id] else { throw .missing("there is no node '\(node.id)'") }
        return entry
    }

    /// Who set what is about to be replaced or lifted; nil where nothing is.
    private func owner(of package: String?, on node: NodeID) -> OperatorName? {
        guard let entry = service.nodes[node] else { return nil }
        guard let package else { return entry.hold?.by }
        return entry.pins.first { $0.package == package }?.by
    }

    /// Whether the operator may upgrade the node, whatever the hour is.
    private func requireUpgrader(
        _ name: OperatorName,
        _ node: StoredNode,
        _ package: String?,
        setBy other: OperatorName,
        at time: UTCTime
    ) throws(Problem) {
        let policy = try StatementCheck(publication: try service.repository.publication(), time: time).policy()
        let request = PolicyRequest(
            action: .upgrade,
            requester: name,
            signers: [name],
            node: NodeFacts(id: node.id, tags: Set(node.tags)),
            package: package
        )
        guard case .refused(let reasons) = policy.decide(request, time: time, hours: .ignored) else { return }
        throw .refused("\(other) said so, and \(name) may not upgrade \(node.name): \(PolicyDecision.refused(reasons))")
    }
}

extension NodeRegister.Entry {
    /// Adds a pin where the register on disk has it: by package.
    fileprivate mutating func add(_ pin: StoredPin) {
        remove(pinOf: pin.package)
        pins.append(pin)
        pins.sort { $0.package < $1.package }
    }

    fileprivate mutating func remove(pinOf package: String) {
        pins.removeAll { $0.package == package }
    }
}

extension FleetService {
    /// Lets holds end whose time is over.
    func endHolds(at time: UTCTime) async throws {
        for id in nodes.endedHolds(at: time) {
            let isEnded = try await holdTurnstile.pass {
                guard let hold = nodes[id]?.hold, let until = hold.until, until <= time else { return false }
                try await store.write { transaction in
                    guard try transaction.removeHold(of: id) else { return }
                    try transaction.append(
                        event: "node-hold-ended",
                        actor: "musterd",
                        detail: ["node": JSONValue(id), "reason": .string(hold.reason)],
                        at: time
                    )
                }
                nodes.set(hold: nil, pins: nodes[id]?.pins ?? [], of: id)
                return true
            }
            if isEnded { try await changed(id, at: time) }
        }
    }
}
