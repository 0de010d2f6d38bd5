import ByteCoding
import MusterCA
import MusterModel
import MusterTestSupport
import OpenSSHFormats
import Testing

@Suite struct CertificateRevocationTests {
    private let time = UTCTime(seconds: 1_700_000_000)
    private let user: SSHPublicKey
    private let host: SSHPublicKey

    init() throws {
        user = try TestKey("user-ca").ssh
        host = try TestKey("host-ca").ssh
    }

    /// Serials 1 to 20: users' of ada and ben in turn, asked for from n1 or n2; the last four are hosts'.
    private func issued() throws -> [IssuedCertificate] {
        try (UInt64(1)...20).map { serial in
            let isHost = serial > 16
            return IssuedCertificate(
                serial: serial,
                authority: isHost ? host : user,
                keyID: "key \(serial)",
                requester: isHost ? nil : try #require(OperatorName(serial % 2 == 0 ? "ada" : "ben")),
                node: NodeID(serial % 4 < 2 ? "n1" : "n2"),
                validBefore: time.adding(seconds: serial <= 2 ? -2 * 86400 : 3600)
            )
        }
    }

    private func revoked(_ subject: RevokeBody.Subject) throws -> SSHRevocations {
        var revocations = SSHRevocations()
        revocations.revoke(subject, issued: try issued(), authorities: [user, host], at: time)
        return revocations
    }

    private func serials(_ revocations: SSHRevocations, _ authority: SSHPublicKey) -> [UInt64] {
        revocations.certificates[authority]?.serials.ranges.flatMap { Array($0) } ?? []
    }

    @Test("an operator's, a node's and single certificates are named by serial, under the CA that made them")
    func subjects() throws {
        let ada = try revoked(.person(try #require(OperatorName("ada"))))
        #expect(serials(ada, user) == [4, 6, 8, 10, 12, 14, 16], "the expired one is left out")
        #expect(serials(ada, host) == [])
        let node = try revoked(.node(try #require(NodeID("n1"))))
        #expect(serials(node, user) == [4, 5, 8, 9, 12, 13, 16])
        #expect(serials(node, host) == [17, 20])
        let some = try revoked(.serials([3, 18]))
        #expect(serials(some, user) == [3])
        #expect(serials(some, host) == [18])
    }

    @Test("a serial that was never issued is revoked under every CA: it is the mark of a stolen one")
    func strangeSerial() throws {
        let strange = try revoked(.serials([999]))
        #expect(serials(strange, user) == [999])
        #expect(serials(strange, host) == [999])
    }

    @Test("a key ID is revoked under every CA, a key whatever certificate it has")
    func keyIDAndKey() throws {
        let keyID = try revoked(.keyID("key 3"))
        #expect(keyID.certificates[user]?.keyIDs == [Array("key 3".utf8)])
        #expect(keyID.certificates[host]?.keyIDs == [Array("key 3".utf8)])
        let lost = try TestKey("lost").ssh
        #expect(try revoked(.publicKey(lost)).keys == [lost])
    }

    @Test("several statements add up, and 100,000 sequential certificates of one operator stay below 64 kB")
    func many() throws {
        let requester = try #require(OperatorName("ada"))
        let issued = (UInt64(1)...200_000).filter { $0 % 2 == 0 }.map {
            IssuedCertificate(
                serial: $0,
                authority: user,
                keyID: "k",
                requester: requester,
                node: nil,
                validBefore: time.adding(seconds: 60)
            )
        }
        var revocations = try revoked(.serials([3]))
        revocations.revoke(.person(requester), issued: issued, authorities: [user], at: time)
        #expect(revocations.certificates[user]?.serials.count == 100_001)
        #expect(try revocations.list(version: 1, date: time).bytes.count < 64_000)
    }
}
