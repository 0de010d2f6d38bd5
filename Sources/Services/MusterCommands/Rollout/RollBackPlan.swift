import ByteCoding
import MusterAPI
import MusterModel

/// What a roll-back changes: which nodes have the bad version, and which version was good.
///
/// Pure, so that every case can be tried.
struct RollBackPlan: Sendable {
    /// One node that goes back.
    struct Change: Hashable, Sendable {
        /// The node.
        let node: NodeID
        /// Its name.
        let name: String
        /// What it has now, in words.
        let now: String
        /// What it had before the bad version; empty where that is not known.
        let before: String
    }

    /// The package.
    let package: String
    /// The version to leave.
    let bad: String
    /// The version to go back to.
    let good: String
    /// Why that one, in words.
    let why: String
    /// How many releases it is before the one to leave, 1 for the release before; nil where that one is not signed.
    let stepsBack: Int?
    /// The nodes that change, by name.
    let changes: [Change]
    /// How many of them change only because the statement cannot name so many nodes one by one.
    let takenAlong: Int
    /// Which nodes the statement is to name.
    let selectors: [NodeSelector]

    /// Works out a roll-back; `wanted` and `only` are what the operator says, where anything.
    ///
    /// `rollout` is the one that brought the bad version, with its nodes; `others` are all whose requesters validly signed
    /// them, `releases` the versions of the package that are signed, the newest first.
    init(
        from rollout: RolloutRecord,
        _ change: UpgradeBody,
        nodes: [NodeRecord],
        others: [RolloutRecord],
        releases: [String],
        to wanted: String?,
        only: [NodeSelector]
    ) throws {
        package = change.package
        bad = change.version
        let parts = Dictionary(rollout.nodes.map { ($0.id, $0) }) { first, _ in first }
        let affected = nodes.filter { node in
            guard only.isEmpty || only.matches(node: node.id, tags: Set(node.tags)) else { return false }
            return Self.version(of: change.package, on: node) == change.version
                || parts[node.id].map { Self.mayChange.contains($0.state) } == true
        }
        let before = affected.map { parts[$0.id]?.before ?? "" }
        let (target, reason) = try Self.good(
            rollout,
            change,
            before: before,
            others: others,
            releases: releases,
            wanted: wanted
        )
        let selectors = try Self.selectors(affected, nodes, change, only)
        let besides = Self.takenAlong(by: selectors, besides: affected, nodes, change.package, target)
        changes = (affected + besides).map { node in
            let version = Self.version(of: change.package, on: node)
            let state = parts[node.id].map(\.state) ?? ""
            let isAtWork = version != change.version && Self.mayChange.contains(state)
            return Change(
                node: node.id,
                name: node.name,
                now: (version.isEmpty ? "(none)" : version) + (isAtWork ? ", \(state)" : ""),
                before: parts[node.id]?.before ?? ""
            )
        }.sorted { ($0.name, $0.node.text) < ($1.name, $1.node.text) }
        good = target
        let (from, to) = (releases.firstIndex(of: change.version), releases.firstIndex(of: target))
        stepsBack = if let from, let to { to - from } else { nil }
        why = reason
        takenAlong = besides.count
        self.selectors = selectors
    }

    /// States of a node that may have the bad version in a moment, or have it without our knowing.
    private static let mayChange: Set<String> = [
        "assigned", "withdrawn", "downloading", "verified", "installing", "confirming", "lost",
    ]

    private static func version(of package: String, on node: NodeRecord) -> String {
        node.report?.packages[package] ?? ""
    }

    // MARK: - The last good version

    /// What the nodes had before; else what the last complete rollout brought; else the release before.
    private static func good(
        _ rollout: RolloutRecord,
        _ change: UpgradeBody,
        before: [String],
        others: [RolloutRecord],
        releases: [String],
        wanted: String?
    ) throws -> (version: String, why: String) {
        if let wanted {
            guard releases.contains(wanted) else {
                throw CommandFailure.refused(
                    "no release \(wanted) of \(change.package) is signed; there are \(releases.joined(separator: ", "))"
                )
            }
            guard wanted != change.version else {
                throw CommandFailure.refused("\(wanted) is the version to go back from")
            }
            return (wanted, "as asked for")
        }
        let counted = Dictionary(grouping: before.filter { $0 != change.version && releases.contains($0) }) { $0 }
        // Of two that as many nodes had, the newer.
        let most = counted.max { left, right in
            let ranks = [left.key, right.key].map { releases.firstIndex(of: $0) ?? releases.count }
            return (left.value.count, -ranks[0]) < (right.value.count, -ranks[1])
        }
        if let most { return (most.key, "the version that \(count(most.value.count)) had before") }
        if let last = lastComplete(before: rollout, change, others, releases) {
            return (last, "the version of the last complete rollout before it")
        }
        guard let index = releases.firstIndex(of: change.version), index + 1 < releases.count else {
            throw CommandFailure.refused(
                "no release of \(change.package) before \(change.version) is signed: nothing to go back to"
            )
        }
        return (releases[index + 1], "the release before it")
    }

    private static func lastComplete(
        before rollout: RolloutRecord,
        _ change: UpgradeBody,
        _ others: [RolloutRecord],
        _ releases: [String]
    ) -> String? {
        let earlier = others.filter { $0.state == "complete" && $0.started < rollout.started && $0.id != rollout.id }
        for other in earlier.sorted(by: { $0.started > $1.started }) {
            guard let body = other.statement.statement.body.packageChange, body.package == change.package else {
                continue
            }
            if body.version != change.version, releases.contains(body.version) { return body.version }
        }
        return nil
    }

    private static func count(_ nodes: Int) -> String { nodes == 1 ? "1 node" : "\(nodes) nodes" }

    // MARK: - Selectors

    /// The nodes one by one, so that the statement changes no other; all that the rollout selects where they are too many.
    private static func selectors(
        _ affected: [NodeRecord],
        _ nodes: [NodeRecord],
        _ change: UpgradeBody,
        _ only: [NodeSelector]
    ) throws -> [NodeSelector] {
        guard affected.count > NodeSelector.limit else { return affected.map { .node($0.id) } }
        let wide = only.isEmpty ? change.nodes : only
        let meant = Set(nodes.filter { wide.matches(node: $0.id, tags: Set($0.tags)) }.map(\.id))
        guard affected.allSatisfy({ meant.contains($0.id) }) else {
            throw CommandFailure.refused(
                "\(affected.count) nodes are more than one statement names: say which by --on, such as --on 'tag:web'"
            )
        }
        return wide
    }

    /// Nodes that the selectors mean besides, and that have another version than the good one.
    private static func takenAlong(
        by selectors: [NodeSelector],
        besides affected: [NodeRecord],
        _ nodes: [NodeRecord],
        _ package: String,
        _ good: String
    ) -> [NodeRecord] {
        guard affected.count > NodeSelector.limit else { return [] }
        let known = Set(affected.map(\.id))
        return nodes.filter { node in
            !known.contains(node.id) && version(of: package, on: node) != good
                && selectors.matches(node: node.id, tags: Set(node.tags))
        }
    }
}
