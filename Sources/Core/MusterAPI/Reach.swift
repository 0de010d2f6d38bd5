import ByteCoding
import CanonicalJSON
import MusterModel

/// `POST /v1/node/reach`: a node that confirms an upgrade asks to be reached by a second node.
///
/// Only an address of the node itself is taken, the one that it calls from.
public struct ReachRequest: Body {
    /// The rollout that it confirms.
    public let rollout: RolloutID
    /// The address that it listens on.
    public let address: String
    /// The TCP port that it listens on.
    public let port: Int
    /// What whoever comes has to write.
    public let nonce: [UInt8]

    /// A request.
    public init(rollout: RolloutID, address: String, port: Int, nonce: [UInt8]) {
        self.rollout = rollout
        self.address = address
        self.port = port
        self.nonce = nonce
    }

    /// Reads a request.
    public init(_ fields: JSONFields) throws(JSONError) {
        rollout = try fields.name("rollout")
        address = try fields.string("address", limit: 64)
        port = Int(try fields.integer("port", in: 1...65535))
        nonce = try fields.hex("nonce", count: ReachTask.nonceLength)
    }

    /// The request as it is sent.
    public var json: JSONValue {
        [
            "rollout": JSONValue(rollout), "address": .string(address), "port": JSONValue(port),
            "nonce": .string(Hex.encode(nonce)),
        ]
    }
}

/// The answer: who was asked to come.
public struct ReachReply: Body {
    /// How many nodes were asked; 0 where none is in contact that may reach others.
    public let asked: Int
    /// Who was asked, or why nobody was, in words.
    public let detail: String

    /// An answer.
    public init(asked: Int, detail: String) {
        self.asked = asked
        self.detail = detail
    }

    /// Reads an answer.
    public init(_ fields: JSONFields) throws(JSONError) {
        asked = Int(try fields.integer("asked", in: 0...1000))
        detail = try fields.string("detail", limit: 4096)
    }

    /// The answer as it is sent.
    public var json: JSONValue { ["asked": JSONValue(asked), "detail": .string(detail)] }
}
