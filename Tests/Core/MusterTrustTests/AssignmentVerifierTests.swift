import ByteCoding
import DebianPackage
import MusterModel
import MusterTestSupport
import MusterTrust
import SignatureVerification
import TUF
import Testing
import VersionedTarball

@Suite struct AssignmentVerifierTests {
    private let fixture: TrustFixture
    private let signed: SignedStatement

    init() throws {
        fixture = try TrustFixture()
        signed = try fixture.fleet.statement(fixture.upgrade())
    }

    @Test("what operators asked for and the release keys signed may be installed")
    func accepted() throws {
        let verified = try fixture.assign(signed)
        #expect(verified.rule == "owner")
        #expect(verified.target.path == TrustFixture.path)
        #expect(verified.release.counter == 5)
        #expect(verified.target.sha256 == Digest.sha256(try #require(fixture.fleet.packages[TrustFixture.path])))
    }

    @Test("arbitrary package: a target that the release keys have not signed")
    func arbitraryPackage() throws {
        #expect(
            refusal {
                try AssignmentVerifier.verify(
                    fixture.fleet.assignment(TrustFixture.path, signed),
                    trusted: nil,
                    node: AssignmentVerifier.Node(
                        facts: fixture.facts,
                        architecture: "amd64",
                        installedCounter: nil,
                        usedIDs: []
                    ),
                    policy: fixture.policy,
                    fleet: fixture.fleet.fleet,
                    time: fixture.time
                )
            } == .otherTarget
        )
    }

    @Test("a target that the statement does not name, or that is no release")
    func otherTarget() throws {
        let other = "releases/hello_2.10-3_arm64.deb"
        #expect(refusal { try fixture.assign(signed, target: other) } == .otherTarget)
        #expect(refusal { try fixture.assign(signed, target: "policy/fleet.json") } == .otherTarget)
    }

    @Test("package swapped: the trusted target has another length or hash than the statement")
    func swappedPackage() throws {
        let description = try #require(fixture.fleet.descriptions[TrustFixture.path])
        let other = TargetFile(path: TrustFixture.path, content: [1, 2, 3], custom: description.custom)
        #expect(refusal { try fixture.assign(signed, trusted: other) } == .targetDiffers)
        let content = try #require(fixture.fleet.packages[TrustFixture.path])
        let onlySHA512 = TargetFile(
            path: TrustFixture.path,
            length: Int64(content.count),
            hashes: FileHashes(sha256: nil, sha512: Digest.sha512(content)),
            custom: description.custom
        )
        #expect(refusal { try fixture.assign(signed, trusted: onlySHA512) } == .targetDiffers)
        let renamed = TargetFile(path: "releases/other.deb", content: content, custom: description.custom)
        #expect(refusal { try fixture.assign(signed, trusted: renamed) } == .otherTarget)
    }

    @Test("wrong platform in a validly signed file")
    func wrongPlatform() throws {
        #expect(refusal { try fixture.assign(signed, architecture: "arm64") } == .otherArchitecture)
        var other = fixture
        let path = "releases/hello-data_1_all.deb"
        other.add(path, package: "hello-data", version: "1", "all", counter: 1)
        let statement = try other.fleet.statement(try other.upgrade(path))
        #expect(
            refusal { try other.assign(statement, target: path, architecture: "arm64", installedCounter: nil) } == nil
        )
    }

    @Test("wrong name or version in a validly signed file")
    func wrongName() throws {
        var other = fixture
        other.add(TrustFixture.path, package: "bash", version: "2.10-3", "amd64", counter: 5)
        #expect(refusal { try other.assign(signed) } == .otherPackage)
        other.add(TrustFixture.path, version: "2.10-4", "amd64", counter: 5)
        #expect(refusal { try other.assign(signed) } == .otherPackage)
        let release = try fixture.assign(signed).release
        func check(_ name: String, _ version: String, _ architecture: String) throws {
            let identity = try DebianIdentity(name: name, version: version, architecture: architecture)
            try AssignmentVerifier.check(PackageIdentity(identity), is: release)
        }
        #expect(refusal { try check("hello", "2.10-3", "amd64") } == nil)
        #expect(refusal { try check("hellp", "2.10-3", "amd64") } == .otherPackage)
        #expect(refusal { try check("hello", "2.10-2", "amd64") } == .otherPackage)
        #expect(refusal { try check("hello", "2.10-3", "arm64") } == .otherPackage)
        let tarball = try #require(TarballIdentity(folder: "hello-2.10-3-linux-amd64"))
        #expect(refusal { try AssignmentVerifier.check(PackageIdentity(tarball), is: release) } == .otherPackage)
    }

    @Test("rollback: a lower release counter needs a roll-back statement")
    func rollback() throws {
        #expect(refusal { try fixture.assign(signed, installedCounter: 5) } == nil)
        #expect(refusal { try fixture.assign(signed, installedCounter: nil) } == nil)
        #expect(refusal { try fixture.assign(signed, installedCounter: 6) } == .olderRelease)
        let rollBack = try fixture.fleet.statement(.rollBack(try fixture.fleet.upgrade(to: TrustFixture.path)))
        #expect(refusal { try fixture.assign(rollBack, installedCounter: 6) } == nil)
    }

    @Test("a statement that does not select this node, or a rule that does not")
    func notSelected() throws {
        let other = try #require(NodeSelector("tag:db"))
        let statement = try fixture.fleet.statement(try fixture.upgrade(nodes: [other]))
        #expect(refusal { try fixture.assign(statement) } == .notSelected)
        let nobody = try fixture.fleet.statement(try fixture.upgrade(nodes: []))
        #expect(refusal { try fixture.assign(nobody) } == .notSelected)
    }

    @Test("replayed, under-approved and foreign statements install nothing")
    func statementRefused() throws {
        #expect(refusal { try fixture.assign(signed, usedIDs: [signed.statement.id]) } == .replayed)
        let alone = try fixture.fleet.statement(try fixture.upgrade(), by: ["ben"])
        #expect(refusal { try fixture.assign(alone) } == .approvalsMissing)
        let eve = try fixture.fleet.statement(try fixture.upgrade(), by: ["eve"])
        #expect(refusal { try fixture.assign(eve) } == .requesterSignatureMissing)
        let node = try #require(NodeID("n1"))
        let tag = try fixture.fleet.statement(.tagNode(TagNodeBody(node: node, tags: [])))
        #expect(refusal { try fixture.assign(tag) } == .otherType)
    }

    @Test("a rollout that is not its statement's is refused")
    func otherRollout() throws {
        let other = try #require(StatementID(random: [UInt8](repeating: 3, count: 16)))
        let assignment = UpdateManifest.Assignment(rollout: other, target: TrustFixture.path, statement: signed)
        #expect(
            refusal {
                try AssignmentVerifier.verify(
                    assignment,
                    trusted: fixture.trusted(TrustFixture.path),
                    node: AssignmentVerifier.Node(
                        facts: fixture.facts,
                        architecture: "amd64",
                        installedCounter: nil,
                        usedIDs: []
                    ),
                    policy: fixture.policy,
                    fleet: fixture.fleet.fleet,
                    time: fixture.time
                )
            } == .malformed
        )
    }
}
