import ByteCoding
import MusterModel

/// What this node may do, decided on signed documents only.
public protocol FleetAuthority: Sendable {
    /// Judges a manifest's envelope as it came: signature, node, fleet, sequence above the one that `memory` has under the
    /// keys of now, expiry, and its `tag-node` statements.
    func judge(manifest: [UInt8], memory: NodeMemory) async -> ManifestVerdict

    /// The ids of the keys that sign manifests by what was trusted last, in order; nil before the first look.
    func manifestKeys() async -> [String]?

    /// Judges one assignment by what is trusted now: statement, policy, target, release, counter.
    ///
    /// Whether the statement's id was used before is the caller's to know.
    func judge(_ assignment: UpdateManifest.Assignment, memory: NodeMemory) async -> AssignmentVerdict

    /// Judges one run by what is trusted now: statement, policy, command, arguments, secrets, time.
    ///
    /// Whether its id was used before is the caller's to know.
    func judge(_ run: UpdateManifest.Run, memory: NodeMemory) async -> RunJudgement

    /// Looks at one run before anything of it is kept: whether an operator of this fleet signed it for this node, by what is
    /// trusted now, and it lives no longer than it may.
    func screen(_ run: UpdateManifest.Run) async -> RunScreening

    /// The trusted release of this version of a package for this node's architecture.
    func release(of package: String, version: String) async -> ReleaseSearch

    /// Looks at the repository where that was not done for a while, so that reports are right without any manifest.
    func keepFresh() async

    /// Looks at the repository since there is something new, though not more often than once in a second.
    func lookAgain() async
}

extension FleetAuthority {
    /// Nothing to keep fresh.
    public func keepFresh() async {}

    /// Nothing to look at.
    public func lookAgain() async {}
}

/// What is thought of a manifest.
public enum ManifestVerdict: Sendable {
    /// It is to be obeyed; the tags are the node's from now on, by the statement issued then; `keys` are the ids of the keys
    /// that may sign manifests now.
    case accepted(UpdateManifest, tags: Set<Tag>, tagsIssued: UTCTime, keys: [String])
    /// It is not, and why.
    case refused(String)
    /// Nothing can be said now, and why.
    case unavailable(String)
}

/// What is thought of an assignment.
public enum AssignmentVerdict: Sendable {
    /// It is allowed.
    case allowed(ReleaseDescription, UpgradeBody.Target)
    /// It is not yet: only the hour stands against it, until this moment.
    case closed(String, until: UTCTime)
    /// It is not, and why.
    case refused(String)
    /// Nothing can be said now, and why.
    case unavailable(String)
}

/// What came of looking for a release.
public enum ReleaseSearch: Sendable {
    /// There it is.
    case found(InstalledRelease)
    /// No trusted release is this version.
    case none
    /// Nothing can be said now, and why.
    case unavailable(String)
}
