import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel

/// What a node remembers between its starts, in one file, so that what belongs together changes together.
public struct NodeMemory: Hashable, Sendable {
    /// Most bytes of the file.
    static let byteLimit = 64 << 20
    /// How many ended upgrades are remembered and reported.
    static let progressLimit = 32
    /// Most keys whose ids are remembered, and most bytes of an id.
    private static let keyLimit = 1024
    private static let keyIDLimit = 256

    /// The sequence of the last manifest that was accepted.
    public var sequence: Int64 = 0
    /// The ids of the keys that signed manifests then, in order; nil where an older agent did not note them.
    public var sequenceKeys: [String]?
    /// The node's tags, which only signed statements change.
    public var tags: Set<Tag>
    /// When the statement that gave the tags was issued: an older one changes nothing any more.
    public var tagsIssued: UTCTime
    /// Assignments of the last manifest that were not begun yet.
    public var queue: [UpdateManifest.Assignment] = []
    /// By package, the file that muster installed and saw confirmed.
    public var installed: [String: InstalledRelease] = [:]
    /// How upgrades ended, oldest first.
    public var progress: [NodeProgress] = []
    /// What the service last said of the node's key; nil where it never did.
    public var key: NodeKeyNotice?
    /// What the service says where it has removed the node from the fleet; else empty.
    public var removal = ""

    /// The memory of a node that has just joined.
    public init(_ enrollment: Enrollment) {
        tags = enrollment.tags
        tagsIssued = enrollment.statement.statement.issued
    }

    init(_ fields: JSONFields) throws(JSONError) {
        sequence = try fields.integer("sequence")
        if fields.has("sequence_keys") {
            sequenceKeys = try fields.strings("sequence_keys", limit: Self.keyLimit, each: Self.keyIDLimit)
        }
        tags = Set(try fields.names("tags", limit: 64))
        tagsIssued = try fields.milliseconds("tags_issued")
        for entry in try fields.objects("queue", limit: 64) {
            queue.append(
                UpdateManifest.Assignment(
                    rollout: try entry.name("rollout"),
                    target: try entry.string("target", limit: 1024),
                    statement: try SignedStatement(try entry.fields("statement"))
                )
            )
        }
        for entry in try fields.objects("installed", limit: 4096) {
            installed[try entry.string("package", limit: 256)] = try InstalledRelease(entry)
        }
        for entry in try fields.objects("progress", limit: 256) { progress.append(try NodeProgress(entry)) }
        key = try fields.optional("key") { fields, key throws(JSONError) in try NodeKeyNotice(try fields.fields(key)) }
        removal = fields.has("removal") ? try fields.string("removal", limit: 4096) : ""
    }

    /// Why the service gives this node no work, and what an operator can do; nil where its key is not the reason.
    var keyTrouble: String? {
        guard let key, key.keepsFromWork else { return nil }
        return "this node's key expired at \(key.expires.wholeSeconds): it may do nothing until an operator says "
            + "'muster node extend NODE --reason TEXT'"
    }

    var json: JSONValue {
        var object: JSONObject = [
            "sequence": .integer(sequence), "tags": .array(tags.sorted().map { .string($0.text) }),
            "tags_issued": .integer(tagsIssued.milliseconds),
            "queue": .array(
                queue.map {
                    [
                        "rollout": .string($0.rollout.text), "target": .string($0.target),
                        "statement": $0.statement.json,
                    ]
                }
            ),
            "installed": .array(
                installed.sorted { $0.key < $1.key }.map { package, release in
                    guard case .object(var object) = release.json else { return .null }
                    object["package"] = .string(package)
                    return .object(object)
                }
            ),
            "progress": .array(progress.map(\.json)),
        ]
        if let sequenceKeys { object["sequence_keys"] = .array(sequenceKeys.map { .string($0) }) }
        if let key { object["key"] = key.json }
        if !removal.isEmpty { object["removal"] = .string(removal) }
        return .object(object)
    }

    /// The sequence above which a manifest is new, where these keys sign manifests.
    ///
    /// Whoever stole a key may have raised the sequence as far as it goes. The fleet takes that key away, and the sequence
    /// counts no more: else no manifest would ever be new again. What was obeyed is known by its statements' ids.
    func sequence(under keys: [String]?) -> Int64 {
        guard sequence <= UpdateManifest.sequenceLimit else { return 0 }
        guard let keys, let sequenceKeys, keys != sequenceKeys else { return sequence }
        return 0
    }

    /// Takes on the keys that sign manifests now, and the sequence that counts under them.
    mutating func follow(_ keys: [String]) {
        sequence = sequence(under: keys)
        sequenceKeys = keys
    }

    /// Remembers how an upgrade ended, in place of what was known of its rollout.
    mutating func remember(_ entry: NodeProgress) {
        progress.removeAll { $0.rollout == entry.rollout }
        progress.append(entry)
        progress.removeFirst(max(0, progress.count - Self.progressLimit))
    }
}
