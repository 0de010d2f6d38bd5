import ByteCoding
import MusterAPI
import MusterIdentity
import MusterModel
import MusterStore
import Tailnet

/// `POST /v1/node/reach`: a node that confirms an upgrade wants to be reached by a second one.
///
/// The service only passes the wish on, to nodes whose owners allow it, in their manifests. It can withhold a visit, so
/// that the node goes back to the version before; it cannot claim one, since the node counts what it saw itself.
struct Reaching: Sendable {
    let service: FleetService

    /// Seconds for which a visit is asked for; who still waits then asks again.
    private static let seconds: Int64 = 120
    /// How many nodes are asked at a time, since any of them may be on its way out.
    private static let count = 3

    /// Asks other nodes; a node that asks again with the same nonce gets more of them.
    func take(_ request: ReachRequest, from node: NodeID, _ call: Call) throws -> ReachReply {
        guard let address = IPAddress(request.address), Self.addresses(call).contains(address) else {
            throw Problem.otherAddress("\(request.address) is not the address that the request comes from")
        }
        let candidates = candidates(besides: node, at: call.time)
        guard !candidates.isEmpty else {
            return ReachReply(
                asked: 0,
                detail: "no other node in contact may reach others (\"reach_others\": true in its configuration)"
            )
        }
        let task = ReachTask(
            address: request.address,
            port: request.port,
            nonce: request.nonce,
            until: call.time.adding(seconds: Self.seconds)
        )
        let (asked, before, withdrawn) = service.reach.ask(
            candidates,
            count: Self.count,
            toVisit: node,
            task,
            at: call.time
        )
        service.manifests.changed(Set(asked + withdrawn))
        let names = asked.map { service.nodes[$0]?.node.name ?? $0.text }.joined(separator: ", ")
        let detail =
            asked.isEmpty ? "\(before) nodes were asked before, and no other may reach others" : "asked \(names)"
        return ReachReply(asked: before + asked.count, detail: detail)
    }

    private static func addresses(_ call: Call) -> [IPAddress] {
        ([call.peer] + call.identity.addresses).compactMap { IPAddress($0) }
    }

    /// Whether the tailnet says that both are one; where it says nothing but addresses, the visited node judges by itself.
    private func isSameMachine(_ one: StoredNode, _ other: StoredNode) -> Bool {
        one.boundTo.id == other.boundTo.id && !one.boundTo.id.hasPrefix("address:")
    }

    /// Nodes that may be asked, in an order by chance: lately in contact, and elsewhere on the tailnet.
    private func candidates(besides node: NodeID, at time: UTCTime) -> [NodeID] {
        guard let host = service.nodes[node] else { return [] }
        let since = time.adding(seconds: -Int64(3 * service.options.reportSeconds))
        return service.nodes.ids { entry in
            guard entry.report?.reachesOthers == true, let lastSeen = entry.lastSeen, lastSeen >= since else {
                return false
            }
            return entry.node.id != node && !entry.node.keyLife.isLimited(at: time)
                && !isSameMachine(entry.node, host.node)
        }.shuffled()
    }
}
