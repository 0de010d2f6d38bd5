import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel
import MusterStore
import MusterTestSupport
import OpenSSHFormats
import Testing

@testable import MusterServer

@Suite("Logins with certificates that were never issued are noticed")
struct RogueLoginTests {
    private func login(_ serial: Int64, _ keyID: String, user: String = "deploy", _ fleet: SSHFleet) -> SSHReport.Login
    {
        SSHReport.Login(serial: serial, keyID: keyID, user: user, address: "100.64.0.9", time: fleet.now)
    }

    @Test("A genuine login is no event; a serial never issued, another key ID or account, and a host's are, each once")
    func rogue() async throws {
        try await SSHFleet.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let certificate = try await fleet.certificate(on: node.id)
            let host = try await fleet.client.hostCertificates(
                HostCertificateRequest(publicKeys: [try TestKey("host").ssh.line]),
                session: node.session
            ).certificates[0]
            let hostID = try SSHCertificate(line: host).content
            let serial = Int64(certificate.content.serial)
            let keyID = certificate.content.keyID
            let good = login(serial, keyID, fleet)
            try await node.report(ssh: SSHReport(logins: [good]), to: fleet.fixture)
            #expect(try await fleet.events("ssh-rogue-login").isEmpty)
            let bad = [
                login(4711, "ada/laptop/forged", fleet), login(0, keyID, fleet), login(serial, "ben/evil", fleet),
                login(serial, keyID, user: "root", fleet), login(Int64(hostID.serial), hostID.keyID, fleet),
            ]
            for _ in 0..<2 { try await node.report(ssh: SSHReport(logins: [good] + bad), to: fleet.fixture) }
            let events = try await fleet.events("ssh-rogue-login")
            #expect(events.count == bad.count)
            for (event, login) in zip(events, bad) {
                let fields = try JSONFields(event.detail)
                #expect(try fields.integer("serial") == login.serial)
                #expect(try fields.string("level") == "urgent" && fields.string("name") == "alpha")
                #expect(event.actor == node.id.text)
            }
        }
    }

    @Test("attack: a key ID that only looks like the issued one is another")
    func lookalike() throws {
        let issued = StoredCertificate(
            serial: 1,
            kind: .user,
            keyID: "ada/Kiosk/1",
            statement: nil,
            requester: nil,
            node: nil,
            origin: "Kiosk",
            identity: "",
            principals: ["deploy"],
            targets: [],
            fingerprint: "",
            authority: [],
            issued: UTCTime(seconds: 0),
            validAfter: UTCTime(seconds: 0),
            validBefore: UTCTime(seconds: 9),
            certificate: nil
        )
        func suspicion(_ keyID: String) -> String? {
            let time = UTCTime(seconds: 1)
            let login = SSHReport.Login(serial: 1, keyID: keyID, user: "deploy", address: "100.64.0.9", time: time)
            return RogueLogins.suspicion(login, issued)
        }
        #expect(suspicion("ada/Kiosk/1") == nil)
        // The sign for kelvin, which Swift holds for a K.
        #expect(suspicion("ada/\u{212A}iosk/1") != nil)
    }

    @Test("The same forged serial on another node is another event")
    func elsewhere() async throws {
        try await SSHFleet.run { fleet in
            for node in try await fleet.nodes(["alpha", "beta"]) {
                try await node.report(ssh: SSHReport(logins: [login(9, "x", fleet)]), to: fleet.fixture)
            }
            #expect(try await fleet.events("ssh-rogue-login").count == 2)
        }
    }
}
