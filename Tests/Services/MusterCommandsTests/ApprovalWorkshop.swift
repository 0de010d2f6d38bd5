import ByteCoding
import MusterModel
import MusterSystem
import MusterTestSupport
import OpenSSHFormats

/// A fleet in which ben asks and ada approves: what a stolen service would have ada sign.
extension Workshop {
    /// The key that ben signs with.
    static let benKey = TestKey("operator ben")

    static func approvalFleet(
        upgrading nodes: String = "*",
        _ body: (Workshop, Person) async throws -> Void
    ) async throws {
        try await run { workshop in
            let ada = try await workshop.person("ada")
            let bytes = try BoundedFile.read(ada.home + "/.ssh/id_ed25519.pub", limit: 4096).filter { $0 != 0x0A }
            let ben = try benKey.ssh.line
            let policy = approvalPolicy(ada: String(decoding: bytes, as: UTF8.self), ben: ben, upgrading: nodes)
            try AtomicFile.write(Array(policy.utf8), to: ada.home + "/policy.yaml")
            try await ada.makesFleet(["--policy", ada.home + "/policy.yaml"])
            try await body(workshop, ada)
        }
    }

    private static func approvalPolicy(ada: String, ben: String, upgrading nodes: String) -> String {
        """
        operators:
          ada:
            keys: [{public_key: \(ada), expires: 2040-01-01T00:00:00Z}]
          ben:
            keys: [{public_key: \(ben), expires: 2040-01-01T00:00:00Z}]
        rules:
          - {name: ada alone, allow: [enroll, tag-node, upgrade, roll-back], who: [ada], nodes: ["*"], tags: ["*"]}
          - {name: ada logs in, allow: [ssh-certificate], who: [ada], nodes: ["*"], users: ["*"]}
          - name: ben logs in with ada
            allow: [ssh-certificate]
            who: [ben]
            nodes: ["*"]
            users: [deploy]
            approvals: {count: 1, from: [ada]}
          - name: ben upgrades with ada
            allow: [upgrade]
            who: [ben]
            nodes: ["\(nodes)"]
            approvals: {count: 1, from: [ada]}

        """
    }
}

extension Statement {
    /// The statement with ben's signature, or that of `signer`, whoever it says asks.
    func signed(by signer: TestKey = Workshop.benKey) throws -> SignedStatement {
        var signed = SignedStatement(self)
        signed.signatures = [try signer.sshSignature(of: signed.signedBytes, namespace: type.namespace)]
        return signed
    }
}
