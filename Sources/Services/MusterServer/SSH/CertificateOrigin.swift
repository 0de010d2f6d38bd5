import ByteCoding
import MusterCA
import MusterModel
import MusterStore
import Tailnet

/// Where a request for a certificate comes from: the certificate is good from there only.
struct CertificateOrigin: Sendable {
    /// The tailnet's id of it.
    let identity: String
    /// What people call it.
    let name: String
    /// Its addresses.
    let addresses: [String]
    /// The node of the fleet that it is.
    let node: NodeID?
    /// When its key in the tailnet, or in the fleet, expires; nil where neither does.
    let keyExpires: UTCTime?

    /// The origin of a call.
    ///
    /// Who calls from this very machine will log in from its tailnet addresses too.
    init(_ call: Call, _ service: FleetService) {
        let own = Self.isLoopback(call.peer) ? service.gate.ownIdentity : nil
        let caller = call.identity
        identity = caller.id
        let known = own ?? caller
        name = known.name.isEmpty ? call.peer : known.name
        var addresses = known.addresses
        for address in Self.isLoopback(call.peer) ? [call.peer, "127.0.0.1", "::1"] : [call.peer]
        where !addresses.contains(address) {
            addresses.append(address)
        }
        self.addresses = addresses
        let node = service.nodes.only(boundTo: own?.id ?? caller.id) ?? service.nodes.only(boundTo: caller.id)
        self.node = node?.node.id
        keyExpires = [known.keyExpires, node?.node.keyEnd].compactMap(\.self).min()
    }

    /// The origin of a request that waited.
    init(_ request: StoredCertificateRequest) {
        identity = request.identity
        name = request.origin
        addresses = request.addresses
        node = request.node
        keyExpires = request.keyExpires
    }

    /// What a certificate from here is made of.
    var forOrder: UserCertificateOrder.Origin {
        UserCertificateOrder.Origin(name: name, addresses: addresses, keyExpires: keyExpires)
    }

    private static func isLoopback(_ address: String) -> Bool { IPAddress(address)?.isLoopback == true }
}
