import CanonicalJSON

/// Rules for tags that have owners: `tags: {web: {owners: ["group:leads"]}}`.
///
/// Owners let nodes in with the tag, give it and take it away. Whoever owns several tags has one rule for all of them, so
/// that a node can get them together.
struct TagOwners: Sendable {
    private let tags: [String: Set<String>]

    init(_ value: JSONValue?) {
        var tags: [String: Set<String>] = [:]
        for tag in PolicyForm.names(value) {
            for case .string(let owner) in PolicyForm.entries(value?[tag]?["owners"]) {
                tags[owner, default: []].insert(tag)
            }
        }
        self.tags = tags
    }

    /// A rule for each set of tags that somebody owns: `tag web` for one, `tags of group:leads` for several.
    var rules: [JSONValue] {
        let owners = Dictionary(grouping: tags.keys.sorted()) { tags[$0] ?? [] }
        return owners.map { (tags: $0.key.sorted(), owners: $0.value) }
            .sorted { $0.tags.lexicographicallyPrecedes($1.tags) }
            .map { entry in
                let name =
                    entry.tags.count == 1 ? "tag \(entry.tags[0])" : "tags of \(entry.owners.first ?? "")"
                return [
                    "name": .string(name), "allow": ["enroll", "tag-node"],
                    "who": .array(entry.owners.map { .string($0) }), "nodes": ["*"],
                    "tags": .array(entry.tags.map { .string($0) }),
                ]
            }
    }
}
