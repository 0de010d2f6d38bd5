import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy
import MusterTestSupport
import MusterTrust
import OpenSSHFormats
import SignatureVerification
import Testing

@Suite struct StatementVerifierTests {
    private let fixture: TrustFixture

    init() throws {
        fixture = try TrustFixture()
    }

    private func code(_ verdict: StatementVerdict) -> TrustRefusal.Code? { verdict.refusal?.code }

    @Test("a statement signed by an operator whom a rule allows is allowed, and by which rule is said")
    func allowed() throws {
        let verdict = try fixture.verify(fixture.fleet.statement(fixture.upgrade()))
        #expect(verdict.outcome == .allowed(rule: "owner", approvers: []))
        #expect(verdict.signers.map(\.name) == [try fixture.name("ada")])
        #expect(verdict.ignored.isEmpty)
    }

    @Test("an approval that is missing is said; the approval makes it allowed")
    func approvals() throws {
        let alone = try fixture.verify(fixture.fleet.statement(fixture.upgrade(), by: ["ben"]))
        guard case .needsApprovals(let shortage) = alone.outcome else {
            Issue.record("\(alone)")
            return
        }
        #expect(shortage.need == 1)
        #expect(shortage.from == [try fixture.name("ada"), try fixture.name("cat")])
        #expect(code(alone) == .approvalsMissing)
        let both = try fixture.verify(fixture.fleet.statement(fixture.upgrade(), by: ["ben", "cat"]))
        #expect(both.outcome == .allowed(rule: "web-with-approval", approvers: [try fixture.name("cat")]))
    }

    @Test("approver equals requester: a second signature of the requester is no approval")
    func approverEqualsRequester() throws {
        var signed = try fixture.fleet.statement(fixture.upgrade(), by: ["ben", "ben"])
        let verdict = try fixture.verify(signed)
        #expect(code(verdict) == .approvalsMissing)
        #expect(verdict.ignored.map(\.code) == [.duplicate])
        signed.signatures += signed.signatures
        #expect(code(try fixture.verify(signed)) == .approvalsMissing)
    }

    @Test("one operator with two keys is one operator")
    func twoKeysOneOperator() throws {
        var fixture = fixture
        let second = TestKey("second key of ben")
        guard case .object(var document) = fixture.fleet.policyDocument,
            case .object(var operators)? = document["operators"],
            case .array(let keys)? = operators["ben"]?["keys"]
        else { return }
        let expires = JSONValue(fixture.time.adding(seconds: 1000))
        operators["ben"] = ["keys": .array(keys + [["public_key": .string(try second.ssh.line), "expires": expires]])]
        operators["ben"].map { _ in document["operators"] = .object(operators) }
        document["groups"] = ["leads": ["ben", "cat"]]
        fixture.fleet.policyDocument = .object(document)
        var signed = try fixture.fleet.statement(fixture.upgrade(), by: ["ben"])
        signed.signatures.append(try second.sshSignature(of: signed.signedBytes, namespace: "upgrade@muster"))
        let verdict = try fixture.verify(signed)
        #expect(code(verdict) == .approvalsMissing)
        #expect(verdict.ignored.map(\.code) == [.duplicate])
        #expect(verdict.signers.count == 1)
    }

    @Test("approver not in policy: an unknown signer is listed and counts for nothing")
    func unknownApprover() throws {
        let verdict = try fixture.verify(fixture.fleet.statement(fixture.upgrade(), by: ["ben", "eve"]))
        #expect(code(verdict) == .approvalsMissing)
        #expect(verdict.ignored.map(\.code) == [.unknownKey])
    }

    @Test("a requester who is not in the policy, or did not sign, is refused")
    func requesterDidNotSign() throws {
        #expect(
            code(try fixture.verify(fixture.fleet.statement(fixture.upgrade(), by: ["eve"])))
                == .requesterSignatureMissing
        )
        var signed = try fixture.fleet.statement(fixture.upgrade(), by: ["ben", "ada"])
        signed.signatures.removeFirst()
        #expect(code(try fixture.verify(signed)) == .requesterSignatureMissing)
        signed.signatures = []
        #expect(code(try fixture.verify(signed)) == .requesterSignatureMissing)
    }

    @Test("statement altered by one byte: no altered statement is allowed")
    func alteredByOneByte() throws {
        let signed = try fixture.fleet.statement(fixture.upgrade())
        let bytes = signed.json.jsonBytes
        #expect(try fixture.verify(SignedStatement(JSONFields(JSONValue.parse(bytes, limit: 100_000)))).isAllowed)
        var read = 0
        for index in bytes.indices {
            for change: UInt8 in [1, 2, 16] {
                var changed = bytes
                changed[index] ^= change
                guard let value = try? JSONValue.parse(changed, limit: 100_000), let fields = try? JSONFields(value),
                    let altered = try? SignedStatement(fields)
                else { continue }
                read += 1
                #expect(try !fixture.verify(altered).isAllowed || altered.signedBytes == signed.signedBytes)
            }
        }
        #expect(read > 100)
    }

    @Test("statement of another fleet")
    func otherFleet() throws {
        let other = try #require(FleetID(digest: [UInt8](repeating: 9, count: 32)))
        #expect(code(try fixture.verify(fixture.fleet.statement(fixture.upgrade(), fleet: other))) == .otherFleet)
    }

    @Test("expired statement; server clock far ahead or behind")
    func expiredStatement() throws {
        let signed = try fixture.fleet.statement(fixture.upgrade(), lifetime: 3600)
        #expect(try fixture.verify(signed, at: 3599).isAllowed)
        #expect(code(try fixture.verify(signed, at: 3600)) == .expired)
        #expect(code(try fixture.verify(signed, at: 100 * 365 * 86400)) == .expired)
        #expect(try fixture.verify(signed, at: -300).isAllowed)
        #expect(code(try fixture.verify(signed, at: -301)) == .issuedInFuture)
    }

    @Test("a statement that lives longer than 30 days, or backwards, is refused")
    func lifetime() throws {
        let upgrade = try fixture.upgrade()
        #expect(try fixture.verify(fixture.fleet.statement(upgrade, lifetime: 30 * 86400)).isAllowed)
        #expect(
            code(try fixture.verify(fixture.fleet.statement(upgrade, lifetime: 30 * 86400 + 1))) == .lifetimeTooLong
        )
        #expect(code(try fixture.verify(fixture.fleet.statement(upgrade, lifetime: 0))) == .malformed)
        #expect(code(try fixture.verify(fixture.fleet.statement(upgrade, lifetime: -5))) == .malformed)
    }

    @Test("expired key: its signature counts for nothing from that moment on")
    func expiredKey() throws {
        let signed = try fixture.fleet.statement(
            fixture.upgrade(),
            issued: fixture.time.adding(seconds: 180 * 86400 - 10)
        )
        #expect(try fixture.verify(signed, at: 180 * 86400 - 1).isAllowed)
        let verdict = try fixture.verify(signed, at: 180 * 86400)
        #expect(code(verdict) == .requesterSignatureMissing)
        #expect(verdict.ignored.map(\.code) == [.unusableKey])
    }

    @Test("expired policy allows nothing")
    func expiredPolicy() throws {
        let policy = try FleetPolicy(
            version: 1,
            issued: fixture.time,
            expires: fixture.time.adding(seconds: 50),
            operators: try fixture.policy.operators,
            groups: try fixture.policy.groups,
            rules: try fixture.policy.rules
        )
        let signed = try fixture.fleet.statement(fixture.upgrade())
        #expect(try fixture.verify(signed, policy: policy, at: 49).isAllowed)
        #expect(code(try fixture.verify(signed, policy: policy, at: 50)) == .notAllowed)
    }

    @Test("replayed statement: an id that was carried out counts no more")
    func replayed() throws {
        let signed = try fixture.fleet.statement(fixture.upgrade())
        #expect(code(try fixture.verify(signed, usedIDs: [signed.statement.id])) == .replayed)
    }

    @Test("statement type confusion: a signature made for another type counts for nothing")
    func typeConfusion() throws {
        let signed = try fixture.fleet.statement(fixture.upgrade())
        for namespace in ["run@muster", "roll-back@muster", "login@muster", "upgrade@muste", "file"] {
            var confused = signed
            let key = FleetSimulator.operatorKey("ada")
            confused.signatures = [try key.sshSignature(of: signed.signedBytes, namespace: namespace)]
            let verdict = try fixture.verify(confused)
            #expect(code(verdict) == .requesterSignatureMissing)
            #expect(verdict.ignored.map(\.code) == [.otherNamespace])
        }
        guard case .object(var object) = signed.signed else { return }
        object["_type"] = "roll-back"
        let envelope: JSONValue = [
            "signed": .object(object), "signatures": .array(signed.signatures.map { .string(Base64.encode($0)) }),
        ]
        let rollBack = try SignedStatement(JSONFields(envelope))
        #expect(rollBack.statement.type == .rollBack)
        #expect(code(try fixture.verify(rollBack)) == .requesterSignatureMissing)
    }

    @Test("unknown or downgraded signature scheme: counts for nothing and harms nobody")
    func unknownScheme() throws {
        var signed = try fixture.fleet.statement(fixture.upgrade())
        let good = signed.signatures[0]
        let downgraded = String(decoding: good, as: UTF8.self).isEmpty ? good : good.map { $0 }
        var other = downgraded
        if let range = good.firstRange(of: Array("sha512".utf8)) {
            other.replaceSubrange(range, with: Array("md5512".utf8))
        }
        signed.signatures = [other, [], [1, 2, 3], good]
        let verdict = try fixture.verify(signed)
        #expect(verdict.isAllowed)
        #expect(verdict.ignored.map(\.code) == [.malformed, .malformed, .malformed])
        signed.signatures.removeLast()
        #expect(code(try fixture.verify(signed)) == .requesterSignatureMissing)
    }

    @Test("a security key that nobody touched counts only where the policy waives touch", arguments: [true, false])
    func untouched(requiresTouch: Bool) throws {
        let key = TestKey("security key")
        var signed = try fixture.fleet.statement(fixture.upgrade())
        signed.signatures = [try untouchedSignature(key, signed.signedBytes).blob]
        let publicKey = try SSHSignature(blob: signed.signatures[0]).publicKey
        let ada = try fixture.name("ada")
        let entry = PolicyKey(
            publicKey: publicKey,
            expires: fixture.time.adding(seconds: 100),
            requiresTouch: requiresTouch
        )
        let policy = try FleetPolicy(
            version: 1,
            issued: fixture.time,
            expires: fixture.time.adding(seconds: 100),
            operators: [ada: PolicyOperator(keys: [entry])],
            rules: [PolicyRule(name: "a", allow: [.upgrade], who: [.person(ada)], nodes: [.every])]
        )
        let reread = try FleetPolicy(parsing: policy.bytes)
        let verdict = try fixture.verify(signed, policy: reread)
        #expect(verdict.isAllowed == !requiresTouch)
        if requiresTouch { #expect(verdict.ignored.map(\.code) == [.untouched]) }
    }

    private func untouchedSignature(_ key: TestKey, _ message: [UInt8]) throws -> SSHSignature {
        var blob = ByteWriter()
        blob.string(SSHKeyKind.skEd25519.rawValue)
        blob.string(key.publicKey)
        blob.string("ssh:")
        let namespace = "upgrade@muster"
        var data = ByteWriter()
        data.raw(Digest.sha256(Array("ssh:".utf8)))
        data.byte(0)
        data.uint32(1)
        data.raw(Digest.sha256(SSHSignature.signedData(message: message, namespace: namespace, hash: .sha512)))
        let inner = try #require(
            SSHKeySignature(
                algorithm: .skEd25519,
                signature: key.sign(data.bytes),
                presence: SSHKeySignature.Presence(flags: 0, counter: 1)
            )
        )
        let publicKey = try SSHPublicKey(blob: blob.bytes)
        return try #require(
            SSHSignature(publicKey: publicKey, namespace: namespace, hash: .sha512, signature: inner)
        )
    }
}
