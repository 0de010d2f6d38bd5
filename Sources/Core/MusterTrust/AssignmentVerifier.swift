import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy
import TUF

/// A package change that this node may make, with what allows it.
public struct VerifiedAssignment: Hashable, Sendable {
    /// The statement.
    public let statement: Statement
    /// The package change it asks for.
    public let change: UpgradeBody
    /// The file to install: path, length and SHA-256 as both the operators and the release keys signed them.
    public let target: UpgradeBody.Target
    /// What the release keys' holders say of it.
    public let release: ReleaseDescription
    /// Whose signatures counted.
    public let signers: [StatementSigner]
    /// The policy's rule that allows it.
    public let rule: String
}

/// Checks one piece of work of a manifest: statement, selection, target, release.
public enum AssignmentVerifier {
    /// What release targets' paths begin with.
    public static let releasePrefix = "releases/"

    /// The node that would act.
    public struct Node: Hashable, Sendable {
        /// Its id and tags.
        public let facts: NodeFacts
        /// The architecture of its packages, such as `amd64`.
        public let architecture: String
        /// The release counter of the installed package; nil where it is not installed, or not by muster.
        public let installedCounter: Int64?
        /// Statements that it has carried out.
        public let usedIDs: Set<StatementID>

        /// A node as it is just now.
        public init(facts: NodeFacts, architecture: String, installedCounter: Int64?, usedIDs: Set<StatementID>) {
            self.facts = facts
            self.architecture = architecture
            self.installedCounter = installedCounter
            self.usedIDs = usedIDs
        }
    }

    /// What may be installed.
    ///
    /// `trusted` is what the trusted TUF metadata says of `assignment.target`; nil where nothing.
    public static func verify(
        _ assignment: UpdateManifest.Assignment,
        trusted: TargetFile?,
        node: Node,
        policy: FleetPolicy,
        fleet: FleetID,
        time: UTCTime
    ) throws(TrustRefusal) -> VerifiedAssignment {
        let statement = assignment.statement.statement
        guard let change = statement.body.packageChange else {
            throw TrustRefusal(.otherType, "a statement of type '\(statement.type.rawValue)' installs nothing")
        }
        guard assignment.rollout == statement.id else {
            throw TrustRefusal(
                .malformed,
                "the assignment is for rollout \(assignment.rollout), its statement is \(statement.id)"
            )
        }
        let verdict = StatementVerifier.verify(
            assignment.statement,
            policy: policy,
            fleet: fleet,
            time: time,
            node: node.facts,
            usedIDs: node.usedIDs,
            isSecurity: isSecurity(assignment.target, trusted)
        )
        guard case .allowed(let rule, _) = verdict.outcome else {
            throw verdict.refusal ?? TrustRefusal(.notAllowed, "statement \(statement.id) is not allowed")
        }
        guard node.facts.isSelected(by: change.nodes) else {
            throw TrustRefusal(.notSelected, "statement \(statement.id) does not select this node")
        }
        let target = try target(assignment.target, change, trusted)
        let release = try release(trusted, statement, node)
        return VerifiedAssignment(
            statement: statement,
            change: change,
            target: target,
            release: release,
            signers: verdict.signers,
            rule: rule
        )
    }

    /// Refuses a package file whose own control data are not those of the signed release.
    public static func check(_ identity: PackageIdentity, is release: ReleaseDescription) throws(TrustRefusal) {
        let found = "\(identity.description) (\(identity.format.rawValue))"
        let signed = "\(release.package) \(release.version) \(release.architecture) (\(release.format))"
        guard found.utf8.elementsEqual(signed.utf8) else {
            throw TrustRefusal(.otherPackage, "the file calls itself '\(found)', the signed release is '\(signed)'")
        }
    }

    /// Whether the release keys call the target a security release; what is not readable or another target is none.
    private static func isSecurity(_ path: String, _ trusted: TargetFile?) -> Bool {
        guard let trusted, trusted.path.utf8.elementsEqual(path.utf8) else { return false }
        return (try? ReleaseDescription(custom: trusted.custom))?.security ?? false
    }

    private static func target(
        _ path: String,
        _ change: UpgradeBody,
        _ trusted: TargetFile?
    ) throws(TrustRefusal) -> UpgradeBody.Target {
        guard path.utf8.starts(with: releasePrefix.utf8) else {
            throw TrustRefusal(.otherTarget, "'\(path)' is not a release: it does not begin with '\(releasePrefix)'")
        }
        guard let target = change.targets.first(where: { $0.path.utf8.elementsEqual(path.utf8) }) else {
            throw TrustRefusal(.otherTarget, "'\(path)' is not among the targets of the statement")
        }
        guard let trusted, trusted.path.utf8.elementsEqual(path.utf8) else {
            throw TrustRefusal(.otherTarget, "'\(path)' is not a trusted target: the release keys have not signed it")
        }
        guard trusted.length == target.length, let hash = trusted.hashes.sha256, hash == target.sha256 else {
            throw TrustRefusal(
                .targetDiffers,
                "'\(path)' as the release keys signed it has another length or SHA-256 than in the statement"
            )
        }
        return target
    }

    private static func release(
        _ trusted: TargetFile?,
        _ statement: Statement,
        _ node: Node
    ) throws(TrustRefusal) -> ReleaseDescription {
        let release: ReleaseDescription
        do throws(JSONError) {
            release = try ReleaseDescription(custom: trusted?.custom)
        } catch {
            throw TrustRefusal(.malformed, "the target's release description cannot be read: \(error)")
        }
        guard PackageFormat(rawValue: release.format) != nil else {
            throw TrustRefusal(.malformed, "packages of format '\(release.format)' are not known to this program")
        }
        guard let change = statement.body.packageChange, release.package.utf8.elementsEqual(change.package.utf8),
            release.version.utf8.elementsEqual(change.version.utf8)
        else {
            throw TrustRefusal(
                .otherPackage,
                "the target is \(release.package) \(release.version), which is not what the statement asks for"
            )
        }
        guard ["all", node.architecture].contains(where: { $0.utf8.elementsEqual(release.architecture.utf8) }) else {
            throw TrustRefusal(
                .otherArchitecture,
                "the package is for '\(release.architecture)', this node for '\(node.architecture)'"
            )
        }
        if let installed = node.installedCounter, release.counter < installed, statement.type != .rollBack {
            throw TrustRefusal(
                .olderRelease,
                "release \(release.counter) of \(release.package) is older than the installed release \(installed), "
                    + "and only a roll-back may go back"
            )
        }
        return release
    }
}
