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
    /// Whether it goes back, where no floor stands in the way.
    let isRollBack: Bool

    init(_ statement: Statement, _ body: UpgradeBody, _ releases: ReleaseIndex) {
        self.body = body
        self.releases = releases
        isRollBack = statement.type == .rollBack
    }

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
    ///
    /// A node that may just be getting another version is not taken for having any.
    func fact(
        _ entry: NodeRegister.Entry,
        mayBeChanging: Bool = false,
        hours: String? = nil,
        at time: UTCTime
    ) -> NodeFact {
        NodeFact(
            node: entry.node.id,
            version: mayBeChanging ? "" : entry.report?.packages[body.package] ?? "",
            lastSeen: entry.lastSeen,
            obstacle: NodeObstacle.first(to: body.version, of: body.package, on: entry, at: time) ?? floor(entry),
            tags: Set(entry.node.tags),
            hours: hours
        )
    }

    /// Why the node has to pass through another version first; nil where it has not.
    private func floor(_ entry: NodeRegister.Entry) -> String? {
        guard !isRollBack, let installed = entry.report?.packages[body.package], !installed.isEmpty,
            let path = target(entry), let release = releases.release(path)?.description, let floor = release.floor
        else { return nil }
        guard let order = ReleaseVersion.compare(release.format, installed, floor) else {
            return "\(body.package) \(installed) cannot be compared with \(floor), which has to be passed through first"
        }
        guard order < 0 else { return nil }
        return "\(body.package) \(floor) has to be passed through first, and this node has \(installed)"
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
