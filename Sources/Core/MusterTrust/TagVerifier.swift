import ByteCoding
import MusterModel
import MusterPolicy

/// Checks a `tag-node` statement: the only way in which a node's tags change, so that the service cannot tag a node into a
/// rule.
public enum TagVerifier {
    /// A node's tags and since when it has them.
    public struct Tags: Hashable, Sendable {
        /// The tags.
        public let tags: Set<Tag>
        /// When the statement that gave them was issued.
        public let issued: UTCTime

        /// Tags given by a statement of this moment.
        public init(tags: Set<Tag>, issued: UTCTime) {
            self.tags = tags
            self.issued = issued
        }
    }

    /// The tags that the statement gives to `node`, which now has `current`.
    ///
    /// A statement that is not newer than the one that gave the current tags is refused as `replayed`: an old statement
    /// cannot bring back tags that were taken away.
    public static func verify(
        _ signed: SignedStatement,
        node: NodeID,
        current: Tags,
        policy: FleetPolicy,
        fleet: FleetID,
        time: UTCTime
    ) throws(TrustRefusal) -> Tags {
        let statement = signed.statement
        guard case .tagNode(let body) = statement.body else {
            throw TrustRefusal(.otherType, "a statement of type '\(statement.type.rawValue)' gives no tags")
        }
        guard body.node == node else {
            throw TrustRefusal(.otherNode, "statement \(statement.id) tags node \(body.node), this is \(node)")
        }
        guard statement.issued > current.issued else {
            throw TrustRefusal(
                .replayed,
                "statement \(statement.id) was issued at \(statement.issued), the current tags at \(current.issued)"
            )
        }
        let verdict = StatementVerifier.verify(
            signed,
            policy: policy,
            fleet: fleet,
            time: time,
            node: NodeFacts(id: node, tags: current.tags)
        )
        if let refusal = verdict.refusal { throw refusal }
        return Tags(tags: Set(body.tags), issued: statement.issued)
    }
}
