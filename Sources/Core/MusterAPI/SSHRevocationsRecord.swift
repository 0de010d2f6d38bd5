import ByteCoding
import CanonicalJSON
import MusterModel

/// The answer of `GET /v1/ssh/revocations`: what was revoked, and how far the fleet knows.
public struct SSHRevocationsRecord: Body {
    /// One revocation.
    public struct Entry: Hashable, Sendable {
        /// What was revoked, in words: `serial 17`, `operator ada`.
        public let subject: String
        /// Why.
        public let reason: String
        /// Who: an operator, or `musterd` where a node left or changed its key.
        public let actor: String
        /// When.
        public let time: UTCTime
        /// The version of the list that has it first.
        public let version: Int64
        /// How many certificates it met.
        public let certificates: Int

        /// A revocation.
        public init(
            subject: String,
            reason: String,
            actor: String,
            time: UTCTime,
            version: Int64,
            certificates: Int
        ) {
            self.subject = subject
            self.reason = reason
            self.actor = actor
            self.time = time
            self.version = version
            self.certificates = certificates
        }
    }

    /// How far one node is.
    public struct Node: Hashable, Sendable {
        /// What a node knows.
        public enum State: String, Hashable, Sendable, CaseIterable {
            /// Its sshd is proved to read the newest list.
            case acknowledged
            /// It is in contact and has an older list, or none.
            case behind
            /// It is not in contact, and has an older list, or none.
            case unreachable
            /// It says that it has no SSH side.
            case none
        }

        /// The node.
        public let id: NodeID
        /// Its name.
        public let name: String
        /// What it knows.
        public let state: State
        /// The version that its sshd reads; nil where that is not proved.
        public let version: Int64?
        /// When it was last in contact.
        public let lastSeen: UTCTime?
        /// What keeps its sshd from being as it should be; empty while all is well.
        public let problem: String

        /// A node.
        public init(id: NodeID, name: String, state: State, version: Int64?, lastSeen: UTCTime?, problem: String) {
            self.id = id
            self.name = name
            self.state = state
            self.version = version
            self.lastSeen = lastSeen
            self.problem = problem
        }
    }

    /// Long lists fit.
    public static let byteLimit = 64_000_000

    /// The version of the newest list.
    public let version: Int64
    /// The newest revocations, the newest first, at most 1000.
    public let entries: [Entry]
    /// Every node.
    public let nodes: [Node]

    /// An answer.
    public init(version: Int64, entries: [Entry], nodes: [Node]) {
        self.version = version
        self.entries = entries
        self.nodes = nodes
    }

    /// How many nodes are in a state.
    public func count(_ state: Node.State) -> Int { nodes.count { $0.state == state } }

    /// `revoked on 97 of 100 nodes, 3 unreachable since …`.
    public var summary: String {
        let total = nodes.count - count(.none)
        var text = "revoked on \(count(.acknowledged)) of \(total) nodes"
        if count(.behind) > 0 { text += ", \(count(.behind)) on the way" }
        let lost = nodes.filter { $0.state == .unreachable }
        guard !lost.isEmpty else { return text }
        text += ", \(lost.count) unreachable"
        if let since = lost.compactMap(\.lastSeen).min() { text += " since \(since.wholeSeconds)" }
        return text
    }

    /// Reads an answer.
    public init(_ fields: JSONFields) throws(JSONError) {
        version = try fields.integer("krl_version")
        entries = try fields.objects("entries", limit: 10_000).map { entry throws(JSONError) in
            Entry(
                subject: try entry.string("subject", limit: 65_536),
                reason: try entry.string("reason", limit: 4096),
                actor: try entry.string("actor", limit: 128),
                time: try entry.milliseconds("time"),
                version: try entry.integer("version"),
                certificates: Int(try entry.integer("certificates", in: 0...Int64(Int32.max)))
            )
        }
        nodes = try fields.objects("nodes", limit: 1_000_000).map { node throws(JSONError) in
            let name = try node.string("state", limit: 32)
            guard let state = Node.State(rawValue: name) else { throw node.error("state", "'\(name)' is not known") }
            return Node(
                id: try node.name("id"),
                name: try node.string("name", limit: 253),
                state: state,
                version: try node.optional("version") { node, key throws(JSONError) in try node.integer(key) },
                lastSeen: try node.optional("last_seen") { node, key throws(JSONError) in
                    try node.milliseconds(key)
                },
                problem: try node.string("problem", limit: 2048)
            )
        }
    }

    /// The answer as it is sent.
    public var json: JSONValue {
        [
            "krl_version": .integer(version), "entries": .array(entries.map(\.json)),
            "nodes": .array(nodes.map(\.json)), "summary": .string(summary),
        ]
    }
}

extension SSHRevocationsRecord.Entry {
    var json: JSONValue {
        [
            "subject": .string(subject), "reason": .string(reason), "actor": .string(actor),
            "time": .integer(time.milliseconds), "version": .integer(version),
            "certificates": JSONValue(certificates),
        ]
    }
}

extension SSHRevocationsRecord.Node {
    var json: JSONValue {
        [
            "id": JSONValue(id), "name": .string(name), "state": .string(state.rawValue),
            "version": version.map { .integer($0) } ?? .null,
            "last_seen": lastSeen.map { .integer($0.milliseconds) } ?? .null, "problem": .string(problem),
        ]
    }
}
