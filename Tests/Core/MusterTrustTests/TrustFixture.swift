import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy
import MusterTestSupport
import MusterTrust
import SignatureVerification
import TUF
import Testing

/// A fleet whose policy has several kinds of operators, and one release of `hello` for each of two architectures.
struct TrustFixture: LoginFixture {
    let time = UTCTime(seconds: 1_700_000_000)
    var fleet: FleetSimulator
    let node: NodeID
    static let path = "releases/hello_2.10-3_amd64.deb"

    init() throws {
        fleet = try FleetSimulator(time: time)
        node = try #require(NodeID("n1"))
        for architecture in ["amd64", "arm64"] {
            add("releases/hello_2.10-3_\(architecture).deb", version: "2.10-3", architecture, counter: 5)
        }
    }

    mutating func add(
        _ path: String,
        package: String = "hello",
        version: String,
        _ architecture: String,
        counter: Int64
    ) {
        let description = ReleaseDescription(
            package: package,
            version: version,
            architecture: architecture,
            counter: counter,
            security: false,
            released: time,
            healthChecks: [],
            notes: ""
        )
        fleet.add(path, Array("package \(path)".utf8), description)
    }

    var policy: FleetPolicy {
        get throws { try FleetPolicy(JSONFields(fleet.policyDocument)) }
    }

    var facts: NodeFacts {
        get throws { NodeFacts(id: node, tags: [try #require(NodeTag("web"))]) }
    }

    func upgrade(_ path: String = TrustFixture.path, nodes: [NodeSelector] = [.every]) throws -> StatementBody {
        .upgrade(try fleet.upgrade(to: path, nodes: nodes))
    }

    func verify(
        _ signed: SignedStatement,
        policy: FleetPolicy? = nil,
        at later: Int64 = 0,
        usedIDs: Set<StatementID> = []
    ) throws -> StatementVerdict {
        StatementVerifier.verify(
            signed,
            policy: try policy ?? self.policy,
            fleet: fleet.fleet,
            time: time.adding(seconds: later),
            node: try facts,
            usedIDs: usedIDs
        )
    }

    /// The trusted TUF description of a release.
    func trusted(_ path: String) -> TargetFile? {
        guard let bytes = fleet.packages[path], let description = fleet.descriptions[path] else { return nil }
        return TargetFile(path: path, content: bytes, custom: description.custom)
    }

    func assign(
        _ signed: SignedStatement,
        target path: String = TrustFixture.path,
        trusted other: TargetFile? = nil,
        architecture: String = "amd64",
        installedCounter: Int64? = 4,
        usedIDs: Set<StatementID> = []
    ) throws(TrustRefusal) -> VerifiedAssignment {
        do {
            return try AssignmentVerifier.verify(
                fleet.assignment(path, signed),
                trusted: other ?? trusted(path),
                node: AssignmentVerifier.Node(
                    facts: try facts,
                    architecture: architecture,
                    installedCounter: installedCounter,
                    usedIDs: usedIDs
                ),
                policy: try policy,
                fleet: fleet.fleet,
                time: time
            )
        } catch let refusal as TrustRefusal {
            throw refusal
        } catch {
            throw TrustRefusal(.malformed, "fixture: \(error)")
        }
    }

    func name(_ text: String) throws -> OperatorName { try #require(OperatorName(text)) }
}

/// The code of the refusal that `body` throws.
func refusal<Result>(_ body: () throws -> Result) -> TrustRefusal.Code? {
    do {
        _ = try body()
        return nil
    } catch {
        return (error as? TrustRefusal)?.code
    }
}
