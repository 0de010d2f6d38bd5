import ByteCoding
import MusterAPI
import MusterIdentity
import MusterModel
import MusterStore

/// Why a rollout passes a node by, whatever the hour is; the first reason is told.
enum NodeObstacle {
    /// What stands against giving the node this version of a package at `time`; nil where nothing does.
    static func first(
        to version: String,
        of package: String,
        on entry: NodeRegister.Entry,
        at time: UTCTime
    ) -> String? {
        key(entry, at: time) ?? hold(entry, at: time) ?? pin(to: version, of: package, on: entry)
    }

    private static func key(_ entry: NodeRegister.Entry, at time: UTCTime) -> String? {
        let life = entry.node.keyLife
        guard life.isLimited(at: time) else { return nil }
        return "its node key expired at \(life.expires): muster node extend \(entry.node.name)"
    }

    private static func hold(_ entry: NodeRegister.Entry, at time: UTCTime) -> String? {
        guard let hold = entry.hold, hold.until.map({ $0 > time }) ?? true else { return nil }
        return "held by \(hold.by)\(hold.until.map { " until \($0.wholeSeconds)" } ?? ""): \(hold.reason)"
    }

    private static func pin(to version: String, of package: String, on entry: NodeRegister.Entry) -> String? {
        if let reason = entry.report?.localPins[package] {
            return "\(package) is pinned by the node's own configuration: \(reason)"
        }
        guard let pin = entry.pins.first(where: { $0.package == package }), pin.version != version else { return nil }
        return "\(package) is pinned\(pin.version.map { " at \($0)" } ?? "") by \(pin.by): \(pin.reason)"
    }
}
