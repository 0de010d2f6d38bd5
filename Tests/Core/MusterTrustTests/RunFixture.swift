import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy
import MusterTestSupport
import MusterTrust
import Testing

/// A fleet whose policy allows runs, and one node of it, `n1` with the tag `web`.
struct RunFixture: LoginFixture {
    let time = UTCTime(seconds: 1_700_000_000)
    var fleet: FleetSimulator
    let node: NodeID
    let other: NodeID

    init() throws {
        fleet = try FleetSimulator(time: time)
        node = try #require(NodeID("n1"))
        other = try #require(NodeID("n2"))
        try fleet.allowRuns()
        try fleet.define(
            "set-password",
            [
                "argv": ["/usr/sbin/chpasswd"], "user": "root", "input": "{user}:{password}\n",
                "parameters": [
                    "user": ["type": "text", "pattern": "[a-z]+"],
                    "password": ["type": "text", "pattern": ".*", "secret": true],
                ],
            ]
        )
    }

    var policy: FleetPolicy {
        get throws { try FleetPolicy(JSONFields(fleet.policyDocument)) }
    }

    var facts: NodeFacts {
        get throws { NodeFacts(id: node, tags: [try #require(NodeTag("web"))]) }
    }

    /// What `echo` with these words asks for.
    func echo(_ words: [String] = ["hello"], nodes: [NodeID]? = nil, notBefore: Int64? = nil) throws -> RunBody {
        try fleet.run(
            "echo",
            ["words": words],
            on: nodes ?? [node],
            notBefore: notBefore.map { time.adding(seconds: $0) }
        )
    }

    func verify(
        _ signed: SignedStatement,
        run: RunID? = nil,
        node other: NodeFacts? = nil,
        policy: FleetPolicy? = nil,
        at later: Int64 = 0,
        usedIDs: Set<StatementID> = []
    ) throws -> RunVerdict {
        RunVerifier.verify(
            UpdateManifest.Run(run: run ?? signed.statement.id, statement: signed),
            node: try other ?? facts,
            usedIDs: usedIDs,
            policy: try policy ?? self.policy,
            fleet: fleet.fleet,
            time: time.adding(seconds: later)
        )
    }

    func verify(
        _ body: RunBody,
        by signers: [String] = ["ada"],
        at later: Int64 = 0
    ) throws -> RunVerdict {
        try verify(fleet.statement(.run(body), by: signers), at: later)
    }

    /// The code of the refusal, where there is one.
    func code(_ body: RunBody, by signers: [String] = ["ada"], at later: Int64 = 0) throws -> TrustRefusal.Code? {
        try verify(body, by: signers, at: later).refusal?.code
    }

    func code(_ signed: SignedStatement, at later: Int64 = 0) throws -> TrustRefusal.Code? {
        try verify(signed, at: later).refusal?.code
    }

    /// The signed object changed, under the signatures of before.
    static func altered(
        _ honest: SignedStatement,
        _ change: (inout JSONObject) throws -> Void
    ) throws -> SignedStatement {
        guard case .object(var members) = honest.signed else { throw FleetSimulator.Failure.impossible }
        try change(&members)
        return try parsed(["signed": .object(members), "signatures": signatures(honest)])
    }

    static func parsed(_ envelope: JSONValue) throws -> SignedStatement {
        try SignedStatement(try JSONFields(envelope))
    }

    static func signatures(_ signed: SignedStatement) -> JSONValue {
        .array(signed.signatures.map { .string(Base64.encode($0)) })
    }
}
