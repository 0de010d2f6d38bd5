import ByteCoding
import CanonicalJSON
import MusterSystem
import Synchronization

/// A tailnet that a file describes: for tests, and for networks that something else authenticates.
///
/// ```
/// {"self": {"id", "name", "addresses"}, "nodes": [{"id", "name", "addresses", "key", "tags", "login", "key_expires"}]}
/// ```
/// Every member but `id` may be missing. The file is read again when it has changed; while it cannot be read, or others than
/// its owner may write it, nobody is known.
public final class StaticTailnet: TailnetSource {
    private struct Content: Sendable {
        let own: TailnetIdentity
        let nodes: [TailnetIdentity]
        let byAddress: [IPAddress: TailnetIdentity]
    }

    private let reader: ChangingFile<Content>

    /// The tailnet of a file.
    public init(file: String) {
        reader = ChangingFile(file, limit: 16 << 20) { bytes throws(TailnetError) in
            do {
                return try Self.content(try JSONFields(try JSONValue.parse(bytes, limit: 16 << 20)))
            } catch {
                throw TailnetError("cannot use the tailnet file \(file): \(error)")
            }
        }
    }

    /// Who has an address.
    public func whois(_ address: String) async throws(TailnetError) -> TailnetIdentity? {
        guard let address = IPAddress(address) else { return nil }
        return try reader.value().byAddress[address]
    }

    /// Every node.
    public func identities() async throws(TailnetError) -> [TailnetIdentity] {
        try reader.value().nodes
    }

    /// This machine, as the file says.
    public func own() async throws(TailnetError) -> TailnetIdentity {
        try reader.value().own
    }

    private static func content(_ fields: JSONFields) throws(JSONError) -> Content {
        var own = TailnetIdentity(id: "self")
        if fields.has("self") { own = try identity(try fields.fields("self")) }
        var nodes: [TailnetIdentity] = []
        var byAddress: [IPAddress: TailnetIdentity] = [:]
        for entry in try fields.objects("nodes", limit: 100_000) {
            let node = try identity(entry)
            nodes.append(node)
            for text in node.addresses {
                guard let address = IPAddress(text) else { throw entry.error("addresses", "'\(text)' is not one") }
                guard byAddress.updateValue(node, forKey: address) == nil else {
                    throw entry.error("addresses", "\(text) belongs to two nodes")
                }
            }
        }
        for text in own.addresses {
            guard let address = IPAddress(text) else { throw fields.error("self", "'\(text)' is not an address") }
            if byAddress[address] == nil { byAddress[address] = own }
        }
        return Content(own: own, nodes: nodes, byAddress: byAddress)
    }

    private static func identity(_ fields: JSONFields) throws(JSONError) -> TailnetIdentity {
        func text(_ key: String, limit: Int) throws(JSONError) -> String? {
            try fields.optional(key) { fields, key throws(JSONError) in try fields.string(key, limit: limit) }
        }
        func texts(_ key: String) throws(JSONError) -> [String] {
            try fields.optional(key) { fields, key throws(JSONError) in try fields.strings(key, limit: 256, each: 256) }
                ?? []
        }
        func time(_ key: String) throws(JSONError) -> UTCTime? {
            try fields.optional(key) { fields, key throws(JSONError) in try fields.time(key) }
        }
        let tags = try texts("tags")
        let id = try fields.string("id", limit: 128)
        guard !id.isEmpty, !id.hasPrefix("address:") else {
            throw fields.error("id", "is empty, or begins with address:")
        }
        return TailnetIdentity(
            id: id,
            key: try text("key", limit: 256) ?? "",
            name: try text("name", limit: 253) ?? "",
            addresses: try texts("addresses"),
            tags: tags,
            login: tags.isEmpty ? try text("login", limit: 512) : nil,
            keyExpires: try time("key_expires"),
            keyExpired: try fields.optional("key_expired") { fields, key throws(JSONError) in try fields.bool(key) }
                ?? false,
            isOnline: try fields.optional("online") { fields, key throws(JSONError) in try fields.bool(key) },
            lastSeen: try time("last_seen"),
            lastHandshake: try time("last_handshake")
        )
    }
}
