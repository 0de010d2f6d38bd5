import CanonicalJSON

extension RolloutStrategy {
    /// Nodes that have their turn together, after those of the groups before it.
    ///
    /// A node belongs to the first group that names it.
    public struct Group: Hashable, Sendable {
        /// Its name, for people.
        public let name: String
        /// Which nodes are in it.
        public let nodes: [NodeSelector]

        /// A group.
        public init(name: String, nodes: [NodeSelector]) {
            self.name = name
            self.nodes = nodes
        }

        init(_ fields: JSONFields) throws(JSONError) {
            name = try fields.string("name", limit: 128)
            guard !name.isEmpty else { throw fields.error("name", "is empty") }
            nodes = try fields.selectors("nodes")
        }

        var json: JSONValue { ["name": .string(name), "nodes": nodes.json] }
    }

    /// A figure that nodes report of themselves, and how much worse it may become by the upgrade.
    ///
    /// ```
    /// {"name": "p99", "worse": "higher", "percent": 20, "least": 5}
    /// ```
    public struct Metric: Hashable, Sendable {
        /// In which direction it becomes worse.
        public enum Direction: String, Hashable, Sendable, CaseIterable {
            case higher
            case lower
        }

        /// Its name, as nodes report it.
        public let name: String
        /// In which direction it becomes worse.
        public let worse: Direction
        /// How many percent worse it may be.
        public let percent: Int
        /// Of how many upgraded nodes it must be known before anything follows from it.
        public let least: Int

        /// A metric.
        public init(name: String, worse: Direction = .higher, percent: Int = 20, least: Int = 5) {
            self.name = name
            self.worse = worse
            self.percent = percent
            self.least = least
        }

        init(_ fields: JSONFields) throws(JSONError) {
            name = try fields.string("name", limit: 64)
            guard !name.isEmpty else { throw fields.error("name", "is empty") }
            let direction = try fields.string("worse", limit: 16)
            guard let worse = Direction(rawValue: direction) else {
                throw fields.error("worse", "is neither higher nor lower")
            }
            self.worse = worse
            percent = Int(try fields.integer("percent", in: 0...100_000))
            least = Int(try fields.integer("least", in: 1...RolloutStrategy.sampleLimit))
        }

        var json: JSONValue {
            [
                "name": .string(name), "worse": .string(worse.rawValue), "percent": JSONValue(percent),
                "least": JSONValue(least),
            ]
        }
    }

    /// Most groups.
    public static let groupLimit = 64
    /// Most tags with a limit of their own.
    public static let tagLimit = 64
    /// Most metrics.
    public static let metricLimit = 8
    /// Most nodes that a metric can ask to be known of.
    public static let sampleLimit: Int64 = 64

    /// The group of a node, counted from 0: the first that names it, or the safety group, which is the last.
    ///
    /// Without groups every node is in group 0.
    public func group(of node: NodeID, tags: Set<Tag>) -> Int {
        groups.firstIndex { $0.nodes.matches(node: node, tags: tags) } ?? groups.count
    }

    /// What a group is called: its name, or that of the safety group.
    public func groupName(_ index: Int) -> String {
        index < groups.count ? "group '\(groups[index].name)'" : "the safety group"
    }

    /// Whether the group is the one of nodes that no group names.
    public func isSafetyGroup(_ index: Int) -> Bool { !groups.isEmpty && index == groups.count }

    static func tagLimits(_ fields: JSONFields, _ key: String) throws(JSONError) -> [Tag: Int] {
        let limits = try fields.fields(key)
        guard limits.object.count <= tagLimit else { throw fields.error(key, "has more than \(tagLimit) tags") }
        var tags: [Tag: Int] = [:]
        for name in limits.object.keys {
            guard let tag = Tag(name) else { throw limits.error(name, "is not \(Tag.form)") }
            tags[tag] = Int(try limits.integer(name, in: 1...1_000_000))
        }
        return tags
    }
}

extension [Tag: Int] {
    var json: JSONValue { .object(JSONObject(map { ($0.key.text, JSONValue($0.value)) })) }
}
