import CanonicalJSON
import MusterModel

/// Nodes that the same things hold back: their group, the limits of their tags, and their hours.
///
/// ```
/// {"group": 1, "tags": ["db"], "hours": "rule 'nights'"}
/// ```
/// Whatever opens or closes for many nodes at once is decided once for their cohort.
struct Cohort: Hashable, Sendable {
    /// Counted from 0.
    let group: Int
    /// Those of its tags that have a limit, in order.
    let tags: [Tag]
    /// The name of its hours; nil for always.
    let hours: String?

    /// Nodes that nothing holds back but their group.
    static let plain = Cohort(group: 0, tags: [], hours: nil)

    init(group: Int, tags: [Tag], hours: String?) {
        self.group = group
        self.tags = tags
        self.hours = hours
    }

    init(_ fields: JSONFields) throws(JSONError) {
        group = Int(try fields.integer("group", in: 0...Int64(RolloutStrategy.groupLimit)))
        tags = try fields.names("tags", limit: 2 * RolloutStrategy.tagLimit)
        hours = fields.has("hours") ? try fields.string("hours", limit: Rollout.hoursLimit) : nil
    }

    var json: JSONValue {
        var object: JSONObject = ["group": JSONValue(group), "tags": JSONValue(tags)]
        if let hours { object["hours"] = .string(hours) }
        return .object(object)
    }
}

/// The nodes of a cohort that count, and those that wait.
struct CohortState: Sendable {
    /// Nodes that wait for their turn, and those that had the version before it came; others among them are passed over.
    var queue = IndexHeap()
    var waiting = 0
    var inFlight = 0
    var tried = 0
}
