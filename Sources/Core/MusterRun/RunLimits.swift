import CanonicalJSON

/// How many nodes run a command at once, and when the rest is left alone.
public struct RunLimits: Hashable, Sendable {
    /// Most nodes at work at one moment; 0 for all of them.
    public let concurrency: Int
    /// So many nodes make a batch, and the next one begins when it has ended; 0 for one batch of all.
    public let batch: Int
    /// Once more nodes than this failed, no further one begins; nil for no limit.
    public let maxFailures: Int?
    /// Seconds after which the process is ended on a node.
    public let timeoutSeconds: Int64
    /// Whether agents run it; otherwise the requester's machine does, over SSH, and says how it goes.
    public let isByAgent: Bool

    /// Limits.
    public init(concurrency: Int, batch: Int, maxFailures: Int?, timeoutSeconds: Int64, isByAgent: Bool) {
        self.concurrency = concurrency
        self.batch = batch
        self.maxFailures = maxFailures
        self.timeoutSeconds = timeoutSeconds
        self.isByAgent = isByAgent
    }

    /// Most nodes at work at one moment; nil for no limit.
    var places: Int? {
        [concurrency, batch].filter { $0 > 0 }.min()
    }

    init(_ fields: JSONFields) throws(JSONError) {
        concurrency = Int(try fields.integer("concurrency", in: 0...1_000_000))
        batch = Int(try fields.integer("batch", in: 0...1_000_000))
        maxFailures = try fields.optional("max_failures") { fields, key throws(JSONError) in
            Int(try fields.integer(key, in: 0...1_000_000))
        }
        timeoutSeconds = try fields.integer("timeout_seconds", in: 0...1_000_000)
        isByAgent = try fields.bool("by_agent")
    }

    var json: JSONValue {
        var object: JSONObject = [
            "concurrency": .integer(Int64(concurrency)), "batch": .integer(Int64(batch)),
            "timeout_seconds": .integer(timeoutSeconds), "by_agent": .bool(isByAgent),
        ]
        if let maxFailures { object["max_failures"] = .integer(Int64(maxFailures)) }
        return .object(object)
    }
}
