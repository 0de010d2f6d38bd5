import ByteCoding
import MusterAPI
import MusterIdentity
import MusterModel
import MusterPolicy
import MusterRollout
import MusterStore

/// Which nodes a rollout is for, and which of its package files each of them gets.
struct RolloutSelection: Sendable {
    let body: UpgradeBody
    let releases: ReleaseIndex

    /// The target for a node: the statement's file for its architecture; nil for a node that is not meant.
    func target(_ entry: NodeRegister.Entry) -> String? {
        guard body.nodes.matches(node: entry.node.id, tags: Set(entry.node.tags)) else { return nil }
        return file(for: entry.report?.architecture ?? "")
    }

    /// The statement's file for an architecture.
    func file(for architecture: String) -> String? {
        guard !architecture.isEmpty else { return nil }
        let fitting = body.targets.first { target in
            let described = releases.release(target.path)?.description.architecture
            return described == architecture || described == "all"
        }
        return fitting?.path
    }

    /// What the engine wants to know of a node.
    func fact(_ entry: NodeRegister.Entry, at time: UTCTime) -> NodeFact {
        let life = entry.node.keyLife
        return NodeFact(
            node: entry.node.id,
            version: entry.report?.packages[body.package] ?? "",
            lastSeen: entry.lastSeen,
            obstacle: life.isLimited(at: time)
                ? "its node key expired at \(life.expires): muster node extend \(entry.node.name)" : nil
        )
    }

    /// Refuses a statement whose targets are not exactly trusted releases of its package and version.
    func checkTargets() throws(Problem) {
        for target in body.targets {
            guard let release = releases.release(target.path) else {
                throw .notVerified("\(target.path) is not a trusted release: upload it by muster release add")
            }
            guard release.length == target.length, release.sha256 == target.sha256 else {
                throw .notVerified(
                    "\(target.path): the statement's length or SHA-256 is not that of the trusted release"
                )
            }
            guard release.description.package == body.package, release.description.version == body.version else {
                throw .notVerified(
                    "\(target.path) is \(release.description.package) \(release.description.version), "
                        + "the statement says \(body.package) \(body.version)"
                )
            }
        }
    }
}
