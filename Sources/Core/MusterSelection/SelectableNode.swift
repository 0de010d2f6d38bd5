import ByteCoding
import MusterModel

/// A node as the register shows it, as far as selections speak of it.
public struct SelectableNode: Hashable, Sendable {
    /// What a node said of itself.
    public struct Report: Hashable, Sendable {
        /// `PRETTY_NAME` of os-release; empty where it has none.
        public let os: String
        /// The package manager's architecture; empty where it has none.
        public let architecture: String
        /// The agent's version.
        public let agent: String
        /// Installed versions by package.
        public let packages: [String: String]

        /// A report of these facts.
        public init(os: String, architecture: String, agent: String, packages: [String: String]) {
            self.os = os
            self.architecture = architecture
            self.agent = agent
            self.packages = packages
        }
    }

    /// Seconds for which a report counts after the node was last seen; later, what it said is unknown.
    public static let reportLife: Int64 = 86400

    /// Its id.
    public let id: NodeID
    /// Its name.
    public let name: String
    /// Its tags.
    public let tags: Set<Tag>
    /// Its state, such as `online`.
    public let state: String
    /// When it was last seen; nil before the first time.
    public let lastSeen: UTCTime?
    /// What it last reported; nil before the first report.
    public let report: Report?

    /// A node of these parts.
    public init(id: NodeID, name: String, tags: Set<Tag>, state: String, lastSeen: UTCTime?, report: Report?) {
        self.id = id
        self.name = name
        self.tags = tags
        self.state = state
        self.lastSeen = lastSeen
        self.report = report
    }

    /// The order of nodes wherever one is needed: the bytes of the name, then of the id.
    static func precedes(_ left: SelectableNode, _ right: SelectableNode) -> Bool {
        let names = (Array(left.name.utf8), Array(right.name.utf8))
        return names.0 == names.1 ? left.id < right.id : names.0.lexicographicallyPrecedes(names.1)
    }

    /// Why nothing that it reported counts at `time`; nil where it counts.
    func ignorance(at time: UTCTime) -> String? {
        guard report != nil, let lastSeen else { return "it never reported" }
        let hours = (time.seconds - lastSeen.seconds) / 3600
        return time.seconds - lastSeen.seconds > Self.reportLife ? "last seen \(hours / 24) d ago" : nil
    }
}
