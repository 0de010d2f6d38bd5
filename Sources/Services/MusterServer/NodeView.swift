import ByteCoding
import MusterAPI
import MusterIdentity
import MusterModel
import MusterStore

/// Nodes as operators see them.
struct NodeView {
    let service: FleetService
    let time: UTCTime

    /// A node's record; `targets` are the versions that open rollouts give each node.
    func record(_ entry: NodeRegister.Entry, _ targets: [NodeID: [String: String]]) -> NodeRecord {
        var record = NodeRecord(
            id: entry.node.id,
            name: entry.node.name,
            tags: entry.node.tags,
            address: entry.node.address,
            enrolled: entry.node.enrolled,
            lastSeen: entry.lastSeen,
            state: state(entry),
            report: entry.report,
            packages: packages(entry, targets[entry.node.id] ?? [:]),
            key: NodeKeyRecord(entry.node.keyLife, at: time),
            tailnet: service.tailnetRecord(entry.node.tailnet)
        )
        record.hold = entry.hold.map { HoldRecord(reason: $0.reason, by: $0.by, since: $0.since, until: $0.until) }
        let own = (entry.report?.localPins ?? [:]).sorted { $0.key < $1.key }.map {
            PinRecord(package: $0.key, version: nil, reason: $0.value, by: nil, since: nil)
        }
        let set = entry.pins.map {
            PinRecord(package: $0.package, version: $0.version, reason: $0.reason, by: $0.by, since: $0.since)
        }
        record.pins = set + own
        return record
    }

    private func state(_ entry: NodeRegister.Entry) -> String {
        guard let lastSeen = entry.lastSeen else { return "new" }
        let limit = Int64(3 * service.options.reportSeconds)
        guard lastSeen.adding(seconds: limit) >= time else { return "offline" }
        return entry.node.keyLife.isLimited(at: time) ? "key-expired" : "online"
    }

    private func packages(_ entry: NodeRegister.Entry, _ targets: [String: String]) -> [NodeRecord.Package] {
        let installed = entry.report?.packages ?? [:]
        let releases = service.repository.current?.releases ?? ReleaseIndex()
        return Set(installed.keys).union(targets.keys).sorted().map { name in
            let known = releases.releases(of: name, for: entry.report?.architecture ?? "")
            let version = installed[name] ?? ""
            let counter = known.last { $0.description.version == version }?.description.counter
            let newer = counter.map { counter in known.filter { $0.description.counter > counter } } ?? known.suffix(1)
            return NodeRecord.Package(
                name: name,
                installed: version,
                available: known.last?.description.version ?? "",
                target: targets[name] ?? "",
                security: newer.contains { $0.description.security && $0.description.version != version }
            )
        }
    }
}
