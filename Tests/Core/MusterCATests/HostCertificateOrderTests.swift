import ByteCoding
import MusterCA
import MusterModel
import MusterTestSupport
import OpenSSHFormats
import Testing

@Suite struct HostCertificateOrderTests {
    private let time = UTCTime(seconds: 1_700_000_000)

    private func order() throws -> HostCertificateOrder {
        HostCertificateOrder(
            node: try #require(NodeID("web-1")),
            hostKey: try TestKey("host").ssh,
            names: ["web-1", "Web-1.Example.ts.net.", "web-1"],
            addresses: ["100.64.0.9", "FD7A:115C:A1E0:0::9"]
        )
    }

    private func stamp() throws -> CertificateStamp {
        CertificateStamp(
            serial: 3,
            nonce: [UInt8](repeating: 1, count: 32),
            time: time,
            authority: try TestKey("host-ca").ssh
        )
    }

    @Test("names and addresses are listed, each once, in the spelling that clients ask for")
    func certificate() throws {
        let content = try order().certificate(stamp()).content
        #expect(content.kind == .host)
        #expect(content.principals == ["web-1", "web-1.example.ts.net", "100.64.0.9", "fd7a:115c:a1e0::9"])
        #expect(content.keyID == "host/web-1")
        #expect(content.criticalOptions.isEmpty)
        #expect(content.extensions.isEmpty)
        #expect(content.validBefore == UInt64(time.seconds + 30 * 86400))
    }

    @Test("what is compared is what is certified")
    func plain() throws {
        for (name, text) in [("Web-1.Example.ts.net.", "web-1.example.ts.net"), ("db.", "db"), ("DB", "db")] {
            #expect(HostCertificateOrder.plain(name) == text)
            var order = try self.order()
            (order.names, order.addresses) = ([name], [])
            #expect(try order.certificate(stamp()).content.principals == [text])
        }
    }

    @Test(
        "patterns, blocks of addresses and what is no name are not certified",
        arguments: [
            "*", "*.example.com", "web?", "a,b", "", ".", "-a", "a..b", "host name", "ümlaut",
            String(repeating: "a", count: 64),
        ]
    )
    func noPatterns(name: String) throws {
        var order = try self.order()
        order.names = ["good", name]
        #expect(throws: CertificateRefusal.self) { try order.certificate(stamp()) }
        order.names = []
        order.addresses = ["10.0.0.0/8"]
        #expect(throws: CertificateRefusal.self) { try order.certificate(stamp()) }
        order.addresses = []
        #expect(throws: CertificateRefusal.self) { try order.certificate(stamp()) }
    }

    @Test("it ends with the node's key where that ends before, and lives no longer than ninety days")
    func ends() throws {
        var order = try self.order()
        order.notAfter = time.adding(seconds: 100)
        #expect(try order.certificate(stamp()).content.validBefore == UInt64(time.seconds + 100))
        order.notAfter = time
        #expect(throws: CertificateRefusal.self) { try order.certificate(stamp()) }
        order.notAfter = nil
        order.life = .max
        #expect(try order.certificate(stamp()).content.validBefore == UInt64(time.seconds + 90 * 86400))
    }

    @Test("it is renewed at two thirds of its life, or when names or key are others")
    func renewal() throws {
        var order = try self.order()
        let content = try order.certificate(stamp()).content
        #expect(!order.isDue(content, at: time.adding(seconds: 20 * 86400 - 1)))
        #expect(order.isDue(content, at: time.adding(seconds: 20 * 86400)))
        #expect(order.isDue(try TestCertificate(order.hostKey, time: time).content, at: time))
        order.hostKey = try TestKey("new host key").ssh
        #expect(order.isDue(content, at: time))
        order = try self.order()
        order.names = ["web-2"]
        #expect(order.isDue(content, at: time))
    }

    @Test("what an old client would not take is refused with the version that it needs")
    func obstacles() throws {
        let content = try order().certificate(stamp()).content
        #expect(CertificateCompatibility.obstacles(content, target: OpenSSHVersion(7, 2)).isEmpty)
        #expect(
            CertificateCompatibility.obstacles(content, target: OpenSSHVersion(6, 4)) == [
                "OpenSSH 6.4 does not know Ed25519 keys; it takes OpenSSH 6.5"
            ]
        )
    }
}
