import ByteCoding
import CanonicalJSON
import Logging
import MusterAPI
import MusterIdentity
import MusterKeys
import MusterModel
import MusterStore

/// Compares the certificate logins that nodes report with what was issued: a login with a certificate that the service never
/// issued means that somebody has the key of a CA.
struct RogueLogins: Sendable {
    let service: FleetService

    /// Looks at the logins in a report; each is announced once for a node.
    ///
    /// The memory of it, the event and the messages to people are one transaction: what is noted is told.
    func check(_ logins: [SSHReport.Login], on node: NodeID, at time: UTCTime) async throws {
        let logins = Array(logins.prefix(SSHReport.loginLimit))
        guard !logins.isEmpty else { return }
        let suspects = try await service.store.read { transaction in
            try logins.compactMap { login -> (SSHReport.Login, String)? in
                Self.suspicion(login, try transaction.certificate(serial: login.serial)).map { (login, $0) }
            }
        }
        guard !suspects.isEmpty else { return }
        let name = service.nodes[node]?.node.name ?? node.text
        let fleet = service.repository.current?.fleet
        let announced = try await service.store.write { transaction in
            let announced = try suspects.filter { login, why in
                let isNew = try transaction.addRogueLogin(
                    node: node,
                    serial: login.serial,
                    keyID: login.keyID,
                    seen: time
                )
                guard isNew else { return false }
                try transaction.append(
                    event: "ssh-rogue-login",
                    actor: node.text,
                    detail: [
                        "node": JSONValue(node), "name": .string(name), "serial": .integer(login.serial),
                        "key_id": .string(login.keyID), "user": .string(login.user),
                        "address": .string(login.address), "login": .integer(login.time.milliseconds),
                        "why": .string(why), "level": "urgent",
                    ],
                    at: time
                )
                return true
            }
            let message = NoticeMessage(
                id: Hex.encode(RandomBytes.make(16)),
                fleet: fleet,
                time: time,
                rogueLogins: announced.map { Self.notice($0, on: node, name, why: $1) }
            )
            for notice in message.map(service.notices.waiting) ?? [] { try transaction.add(notice) }
            return announced
        }
        guard !announced.isEmpty else { return }
        await service.notices.deliverSoon()
        for (login, why) in announced {
            service.log.critical("\(Self.notice(login, on: node, name, why: why).text)")
        }
    }

    private static func notice(
        _ login: SSHReport.Login,
        on node: NodeID,
        _ name: String,
        why: String
    ) -> RogueLoginNotice {
        RogueLoginNotice(
            node: node,
            name: name,
            serial: login.serial,
            keyID: login.keyID,
            user: login.user,
            address: login.address,
            login: login.time,
            why: why
        )
    }

    /// Why a login cannot be with a certificate of ours; nil where it can.
    static func suspicion(_ login: SSHReport.Login, _ issued: StoredCertificate?) -> String? {
        guard let issued else { return "no certificate with this serial was ever issued" }
        guard issued.kind == .user else { return "the certificate with this serial is a host's" }
        // sshd may have cut a long key ID.
        let isSame =
            login.keyID.utf8.elementsEqual(issued.keyID.utf8)
            || (login.keyID.utf8.count >= 128 && issued.keyID.utf8.starts(with: login.keyID.utf8))
        guard isSame else { return "the certificate with this serial is called '\(issued.keyID)'" }
        guard issued.principals.contains(login.user) else {
            return "the certificate with this serial is for \(issued.principals.joined(separator: ", "))"
        }
        return nil
    }
}
