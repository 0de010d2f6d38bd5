import CanonicalJSON
import MusterModel

/// How many nodes with one tag may be changing at one moment, whatever rollouts there are: `{"most": 1, "others": 0}`.
public struct FleetLimit: Hashable, Sendable {
    /// Most of them, of all rollouts together.
    public let most: Int
    /// How many of them other rollouts are changing just now.
    public let others: Int

    /// A limit.
    public init(most: Int, others: Int) {
        self.most = most
        self.others = others
    }

    init(_ fields: JSONFields) throws(JSONError) {
        most = Int(try fields.integer("most", in: 0...1_000_000))
        others = Int(try fields.integer("others", in: 0...1_000_000))
    }

    var json: JSONValue { ["most": JSONValue(most), "others": JSONValue(others)] }
}
