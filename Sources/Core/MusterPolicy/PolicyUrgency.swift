import CanonicalJSON
import MusterModel

/// What a release that closes a security hole need not wait for.
///
/// ```
/// {"security": {"skip_bake": true, "ignore_windows": true}}
/// ```
/// Its stages are never skipped, the canary least of all, nor are approvals. What counts as a security release is said by
/// the release keys.
///
/// Compatibility: with a member that this program does not know, nothing here is skipped.
public struct PolicyUrgency: Hashable, Sendable {
    /// Whether its stages follow each other without the time to bake.
    public let skipsBake: Bool
    /// Whether rules allow it outside their windows too.
    public let ignoresWindows: Bool
    /// Members that this program does not know.
    public let unknown: JSONObject

    /// What security releases need not wait for.
    public init(skipsBake: Bool = false, ignoresWindows: Bool = false) {
        self.skipsBake = skipsBake
        self.ignoresWindows = ignoresWindows
        unknown = JSONObject()
    }

    /// Reads what security releases need not wait for.
    public init(_ fields: JSONFields) throws(JSONError) {
        var unknown = fields.others(than: ["security"])
        var skipsBake = false
        var ignoresWindows = false
        if fields.has("security") {
            let members = try fields.fields("security")
            skipsBake = members.has("skip_bake") ? try members.bool("skip_bake") : false
            ignoresWindows = members.has("ignore_windows") ? try members.bool("ignore_windows") : false
            let others = members.others(than: ["skip_bake", "ignore_windows"])
            if others.count > 0 { unknown["security"] = .object(others) }
        }
        self.skipsBake = skipsBake
        self.ignoresWindows = ignoresWindows
        self.unknown = unknown
    }

    var json: JSONValue {
        var object = unknown
        var security = JSONObject()
        if case .object(let others)? = unknown["security"] { security = others }
        if skipsBake { security["skip_bake"] = true }
        if ignoresWindows { security["ignore_windows"] = true }
        object["security"] = .object(security)
        return .object(object)
    }

    /// Whether `request` is for something that need not wait for windows.
    func ignoresWindows(_ request: PolicyRequest) -> Bool {
        letsSecurityIgnoreWindows && request.isSecurity && request.action == .upgrade
    }

    /// Whether rules allow security releases outside their windows too.
    public var letsSecurityIgnoreWindows: Bool { ignoresWindows && unknown.count == 0 }

    /// Whether a rollout of a security release goes on without the time to bake.
    public var letsSecuritySkipBake: Bool { skipsBake && unknown.count == 0 }
}
