import ByteCoding
import MusterModel
import MusterPolicy
import MusterTestSupport
import MusterTrust
import SignatureVerification
import Testing

@Suite struct EnrollmentVerifierTests {
    private let fixture: TrustFixture
    private let secret = [UInt8](repeating: 7, count: 32)
    private let web: NodeTag

    init() throws {
        fixture = try TrustFixture()
        web = try #require(NodeTag("web"))
    }

    private func verify(
        _ proof: EnrollBody.Proof,
        _ shown: EnrollmentVerifier.Proof,
        by signers: [String] = ["ada"],
        lifetime: Int64 = 86400
    ) throws -> [NodeTag] {
        let body = StatementBody.enroll(EnrollBody(tags: [web], proof: proof))
        return try EnrollmentVerifier.verify(
            try fixture.fleet.statement(body, by: signers, lifetime: lifetime),
            proof: shown,
            policy: try fixture.policy,
            fleet: fixture.fleet.fleet,
            time: fixture.time
        )
    }

    @Test("the token's secret, or the approved node key, gives the tags")
    func accepted() throws {
        #expect(try verify(.secret(sha256: Digest.sha256(secret), uses: 1), .secret(secret)) == [web])
        #expect(try verify(.nodeKey(secret), .nodeKey(secret)) == [web])
    }

    @Test("another secret, another key, or a key where a secret is asked for is refused")
    func otherProof() throws {
        let wanted = EnrollBody.Proof.secret(sha256: Digest.sha256(secret), uses: 1)
        #expect(refusal { try verify(wanted, .secret(Digest.sha256(secret))) } == .otherProof)
        #expect(refusal { try verify(wanted, .nodeKey(secret)) } == .otherProof)
        #expect(refusal { try verify(.nodeKey(secret), .nodeKey([1])) } == .otherProof)
        #expect(refusal { try verify(.nodeKey(secret), .secret(secret)) } == .otherProof)
    }

    @Test("an operator whom no rule lets enroll is refused, and so is an expired or foreign statement")
    func notAllowed() throws {
        let wanted = EnrollBody.Proof.secret(sha256: Digest.sha256(secret), uses: 1)
        #expect(refusal { try verify(wanted, .secret(secret), by: ["ben"]) } == .notAllowed)
        #expect(refusal { try verify(wanted, .secret(secret), by: ["eve"]) } == .requesterSignatureMissing)
        #expect(refusal { try verify(wanted, .secret(secret), lifetime: 31 * 86400) } == .lifetimeTooLong)
        #expect(
            refusal {
                try EnrollmentVerifier.verify(
                    try fixture.fleet.statement(try fixture.upgrade()),
                    proof: .secret(secret),
                    policy: try fixture.policy,
                    fleet: fixture.fleet.fleet,
                    time: fixture.time
                )
            } == .otherType
        )
    }
}

@Suite struct TagVerifierTests {
    private let fixture: TrustFixture
    private let web: NodeTag
    private let database: NodeTag

    init() throws {
        fixture = try TrustFixture()
        web = try #require(NodeTag("web"))
        database = try #require(NodeTag("db"))
    }

    private func verify(
        node: String = "n1",
        by signers: [String] = ["ada"],
        issued: Int64 = 0,
        current: Int64 = -100,
        tampered: Bool = false
    ) throws -> TagVerifier.Tags {
        let body = StatementBody.tagNode(TagNodeBody(node: try #require(NodeID(node)), tags: [database]))
        var signed = try fixture.fleet.statement(body, by: signers, issued: fixture.time.adding(seconds: issued))
        if tampered { signed.signatures = [] }
        return try TagVerifier.verify(
            signed,
            node: fixture.node,
            current: TagVerifier.Tags(tags: [web], issued: fixture.time.adding(seconds: current)),
            policy: try fixture.policy,
            fleet: fixture.fleet.fleet,
            time: fixture.time
        )
    }

    @Test("a newer statement for this node gives it its tags")
    func accepted() throws {
        let tags = try verify()
        #expect(tags.tags == [database])
        #expect(tags.issued == fixture.time)
    }

    @Test("re-tagged node: without an operator's signature no tag changes")
    func retagged() throws {
        #expect(refusal { try verify(tampered: true) } == .requesterSignatureMissing)
        #expect(refusal { try verify(by: ["eve"]) } == .requesterSignatureMissing)
        #expect(refusal { try verify(by: ["ben"]) } == .notAllowed)
        #expect(refusal { try verify(node: "n2") } == .otherNode)
    }

    @Test("replayed statement: tags that were taken away do not come back")
    func replayed() throws {
        #expect(refusal { try verify(issued: -200, current: -100) } == .replayed)
        #expect(refusal { try verify(issued: -100, current: -100) } == .replayed)
    }
}
