import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterCA
import MusterKeys
import MusterModel
import MusterSigners
import MusterStore
import OpenSSHFormats
import Tailnet

/// Host certificates for the keys that a node's sshd shows, for names and addresses that the register has for the node.
struct HostCertificates: Sendable {
    let service: FleetService

    /// A certificate for each key, in order: the present one where it is good for a while yet, else a new one.
    func certificates(for lines: [String], of entry: NodeRegister.Entry, at time: UTCTime) async throws -> [String] {
        let trust = try SSHSide.trust(try service.repository.publication())
        let authority = try SSHSide.signing(.host, trust, service.keys.authorities, at: time)
        var made: [String] = []
        for (index, line) in lines.enumerated() {
            let key: SSHPublicKey
            do throws(SSHFormatError) {
                key = try SSHPublicKey(line: line)
            } catch {
                throw Problem.malformed("public_keys[\(index)]: \(error)")
            }
            made.append(try await certificate(order(key, entry, authority.expires), authority, at: time).line)
        }
        return made
    }

    private func certificate(
        _ order: HostCertificateOrder,
        _ authority: SSHSide.Signing,
        at time: UTCTime
    ) async throws -> SSHCertificate {
        let fingerprint = order.hostKey.fingerprint
        let present = try await service.store.read {
            try $0.hostCertificate(of: order.node, fingerprint: fingerprint, goodAfter: time)
        }
        if let present, present.revoked == nil, present.authority == authority.bytes,
            let bytes = present.certificate, let certificate = try? SSHCertificate(blob: bytes),
            !order.isDue(certificate.content, at: time)
        {
            return certificate
        }
        let serial = try await service.ssh.serials.next()
        let made = try await authority.certificate(serial, at: time) { try order.certificate($0) }
        try await record(made, serial, order, authority, at: time)
        return made
    }

    private func record(
        _ made: SSHCertificate,
        _ serial: Int64,
        _ order: HostCertificateOrder,
        _ authority: SSHSide.Signing,
        at time: UTCTime
    ) async throws {
        let stored = StoredCertificate(
            serial: serial,
            kind: .host,
            keyID: made.content.keyID,
            statement: nil,
            requester: nil,
            node: order.node,
            origin: order.names.first ?? "",
            identity: "",
            principals: made.content.principals,
            targets: [],
            fingerprint: order.hostKey.fingerprint,
            authority: authority.bytes,
            issued: time,
            validAfter: UTCTime(milliseconds: Int64(made.content.validAfter) * 1000),
            validBefore: UTCTime(milliseconds: Int64(made.content.validBefore) * 1000),
            certificate: made.blob
        )
        let detail: JSONValue = [
            "serial": .integer(serial), "node": JSONValue(order.node), "fingerprint": .string(stored.fingerprint),
            "principals": .array(stored.principals.map { .string($0) }),
            "valid_before": .integer(stored.validBefore.milliseconds),
        ]
        try await service.store.grouped.write { transaction in
            _ = try transaction.add(stored)
            try transaction.append(
                event: "ssh-host-certificate-issued",
                actor: order.node.text,
                detail: detail,
                at: time
            )
        }
    }

    /// What is certified: names that are this node's alone.
    ///
    /// A node chooses the name it joins by, so a name that is another's in the tailnet, or that reads as an address, is
    /// left out: it would let this node pass for another. What is compared is what is certified.
    private func order(_ key: SSHPublicKey, _ entry: NodeRegister.Entry, _ end: UTCTime) -> HostCertificateOrder {
        let node = entry.node
        let identity = node.tailnet.flatMap { service.gate.lastSeen($0.id) }
        let tailnetName = HostCertificateOrder.plain(identity?.name ?? node.tailnet?.name ?? "")
        var names = tailnetName.isEmpty ? [] : [tailnetName]
        if let short = tailnetName.split(separator: ".").first, short.utf8.count < tailnetName.utf8.count {
            names.append(String(short))
        }
        names.append(HostCertificateOrder.plain(node.name))
        let others = service.nodes.all.filter { $0.node.id != node.id }
        names = names.filter { name in
            AddressBlock(name) == nil && !Self.isNumeric(name)
                && !others.contains { Self.isName(name, of: $0.node, isOwn: name == tailnetName) }
        }
        var addresses = [node.address]
        for address in identity?.addresses ?? [] where !addresses.contains(address) { addresses.append(address) }
        addresses = addresses.filter { address in !others.contains { $0.node.address == address } }
        return HostCertificateOrder(
            node: node.id,
            hostKey: key,
            names: names,
            addresses: addresses.filter { AddressBlock($0) != nil },
            notAfter: [end, node.keyEnd].compactMap(\.self).min()
        )
    }

    /// Whether a name is another node's: by the tailnet, or, where the tailnet does not give it to us, in the fleet.
    private static func isName(_ wanted: String, of other: StoredNode, isOwn: Bool) -> Bool {
        let tailnet = HostCertificateOrder.plain(other.tailnet?.name ?? "")
        if !tailnet.isEmpty {
            if wanted == tailnet { return true }
            if let short = tailnet.split(separator: ".").first, wanted == String(short) { return true }
        }
        return !isOwn && wanted == HostCertificateOrder.plain(other.name)
    }

    /// Whether a client could read the name as an address: `10.1`, `0x7f000001`, `2130706433`.
    private static func isNumeric(_ name: String) -> Bool {
        guard let last = name.lowercased().split(separator: ".").last else { return true }
        return last.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            || (last.hasPrefix("0x")
                && last.dropFirst(2).utf8.allSatisfy { byte in
                    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                        || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
                })
    }
}
