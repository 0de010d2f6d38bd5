import ByteCoding
import CanonicalJSON

/// `extend-node`: a node whose key has expired may act again for half an hour, so that it can be repaired.
///
/// The half hour begins when the service takes the statement, once for each statement.
public struct ExtendNodeBody: Hashable, Sendable {
    /// The node.
    public let node: NodeID
    /// Why, for the log.
    public let reason: String

    /// An `extend-node` body.
    public init(node: NodeID, reason: String) {
        self.node = node
        self.reason = reason
    }

    init(_ fields: JSONFields) throws(JSONError) {
        node = try fields.name("node")
        reason = try fields.statedReason()
    }

    var members: JSONObject { ["node": JSONValue(node), "reason": .string(reason)] }
}

/// `exempt-node`: a node's key does not expire any more, or does so again.
///
/// An exempt node still replaces its key as often as any other; only nothing happens where it cannot.
public struct ExemptNodeBody: Hashable, Sendable {
    /// The node.
    public let node: NodeID
    /// Whether its key is exempt from expiry from now on.
    public let isExempt: Bool
    /// Why, for the log.
    public let reason: String

    /// An `exempt-node` body.
    public init(node: NodeID, isExempt: Bool, reason: String) {
        self.node = node
        self.isExempt = isExempt
        self.reason = reason
    }

    init(_ fields: JSONFields) throws(JSONError) {
        node = try fields.name("node")
        isExempt = try fields.bool("exempt")
        reason = try fields.statedReason()
    }

    var members: JSONObject {
        ["node": JSONValue(node), "exempt": .bool(isExempt), "reason": .string(reason)]
    }
}

/// `remove-node`: a node leaves the fleet for good; its keys can never join again.
public struct RemoveNodeBody: Hashable, Sendable {
    /// The node.
    public let node: NodeID
    /// Why, for the log and for the node itself.
    public let reason: String

    /// A `remove-node` body.
    public init(node: NodeID, reason: String) {
        self.node = node
        self.reason = reason
    }

    init(_ fields: JSONFields) throws(JSONError) {
        node = try fields.name("node")
        reason = try fields.statedReason()
    }

    var members: JSONObject { ["node": JSONValue(node), "reason": .string(reason)] }
}

/// Why an operator does something to a node.
public enum StatedReason {
    /// Most bytes of a reason.
    public static let byteLimit = 512

    /// Whether the text says anything, on one line, within the limit.
    public static func isValid(_ text: String) -> Bool {
        text.utf8.count <= byteLimit && text.utf8.contains { $0 > 0x20 }
            && !text.utf8.contains { $0 < 0x20 || $0 == 0x7F }
    }
}

extension JSONFields {
    fileprivate func statedReason() throws(JSONError) -> String {
        let reason = try string("reason", limit: StatedReason.byteLimit)
        guard StatedReason.isValid(reason) else { throw error("reason", "says nothing, or has control characters") }
        return reason
    }
}
