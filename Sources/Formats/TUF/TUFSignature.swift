import ByteCoding
import CanonicalJSON

/// One entry of `signatures`: `{"keyid": "…", "sig": "<hex>"}`.
public struct TUFSignature: Sendable, Equatable {
    /// The key id, as it was written.
    public let keyID: String
    /// The signature; empty where `sig` is empty or is not hexadecimal, which verifies under no key.
    public let signature: [UInt8]
    /// `sig`, as it was written.
    private let text: String

    /// A signature made just now.
    public init(keyID: String, signature: [UInt8]) {
        self.keyID = keyID
        self.signature = signature
        text = Hex.encode(signature)
    }

    /// Reads an entry; other members are ignored.
    public init(_ fields: JSONFields) throws(JSONError) {
        keyID = try fields.keyID("keyid")
        text = try fields.string("sig", limit: 16_384)
        signature = Hex.decode(text.lowercased()) ?? []
    }

    /// The entry as JSON.
    public var json: JSONValue { ["keyid": .string(keyID), "sig": .string(text)] }
}

extension JSONFields {
    /// A key id: any printable ASCII without spaces, since ids of old repositories are not hashes (TAP 12).
    ///
    /// ASCII only, so that no two different ids can compare as the same text.
    func keyID(_ key: String) throws(JSONError) -> String {
        try keyID(try string(key, limit: 256), at: key)
    }

    /// Refuses what cannot be a key id.
    func keyID(_ text: String, at key: String) throws(JSONError) -> String {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw error(key, "is not a key id of printable ASCII")
        }
        return text
    }

    /// The key ids of a role, each once.
    func keyIDs(_ key: String) throws(JSONError) -> [String] {
        let ids = try strings(key, limit: 1024, each: 256)
        for id in ids { _ = try keyID(id, at: key) }
        guard Set(ids).count == ids.count else { throw error(key, "names the same key id twice") }
        return ids
    }

    /// The keys of root or of a delegating role, by the id they are given.
    func keys(_ key: String) throws(JSONError) -> [String: TUFKey] {
        let keys = try fields(key)
        guard keys.object.count <= 1024 else { throw error(key, "has more than 1024 keys") }
        var found: [String: TUFKey] = [:]
        for member in keys.object.members {
            _ = try keyID(member.key, at: key)
            found[member.key] = try TUFKey(try JSONFields(member.value, at: path(of: key) + "." + member.key))
        }
        return found
    }
}
