import CanonicalJSON
import MusterRollout

/// What of a rollout is to be stored after events.
extension Rollout {
    /// Reads a rollout that was stored as a header and its nodes, in the order of their turns.
    init(header: JSONValue, nodes: [JSONValue]) throws(JSONError) {
        guard case .object(var object) = header else { throw JSONError(location: "engine", reason: "is no object") }
        object["nodes"] = .array(nodes)
        try self.init(try JSONFields(.object(object)))
    }

    /// The whole without its nodes, and the nodes that are other than they were in `old`; all where that is nil.
    func changes(since old: Rollout?) -> (header: JSONValue, nodes: [(index: Int, state: JSONValue)]) {
        guard case .object(let object) = json else { return (json, []) }
        let header = JSONObject(object.members.filter { $0.key != "nodes" }.map { ($0.key, $0.value) })
        let before = old?.nodes ?? []
        let changed = nodes.indices.filter { $0 >= before.count || before[$0] != nodes[$0] }
        return (.object(header), changed.map { ($0, nodes[$0].json) })
    }
}
