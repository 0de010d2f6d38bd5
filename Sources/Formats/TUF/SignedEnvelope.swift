import CanonicalJSON

/// A signed document: `{"signed": {…}, "signatures": [{"keyid", "sig"}, …]}`.
///
/// What is signed is the canonical form of `signed`, unknown members included. The bytes received are kept as they are:
/// they are what is stored, hashed and served. Key ids within `signatures` are unique.
public struct SignedEnvelope: Sendable {
    /// The signatures, none of them verified.
    public let signatures: [TUFSignature]
    /// The signed part, read only as far as it is asked.
    public let signedNode: JSONNode
    /// The canonical bytes of the signed part: the message of every signature.
    public let canonicalBytes: [UInt8]
    private let document: JSONDocument

    /// Reads an envelope of at most `limit` bytes.
    public init(parsing bytes: [UInt8], limit: Int) throws(JSONError) {
        document = try JSONDocument(parsing: bytes, limit: limit)
        guard let node = document.root["signed"], node.isObject else {
            throw JSONError(location: "signed", reason: "is missing or not an object")
        }
        guard let list = document.root["signatures"] else {
            throw JSONError(location: "signatures", reason: "is missing")
        }
        signedNode = node
        signatures = try Self.signatures(list.value)
        canonicalBytes = node.canonicalBytes
    }

    /// An envelope made here.
    public init(signed: JSONValue, signatures: [TUFSignature] = []) throws(JSONError) {
        let value: JSONValue = ["signatures": .array(signatures.map(\.json)), "signed": signed]
        try self.init(parsing: value.jsonBytes, limit: .max)
    }

    /// The bytes exactly as received or made.
    public var bytes: [UInt8] { document.bytes }

    /// The signed part as a value.
    public var signed: JSONValue { signedNode.value }

    /// The same document with one more signature; an earlier one with the same key id is replaced.
    public func adding(_ signature: TUFSignature) throws(JSONError) -> SignedEnvelope {
        let others = signatures.filter { $0.keyID != signature.keyID }
        return try SignedEnvelope(signed: signed, signatures: others + [signature])
    }

    private static func signatures(_ value: JSONValue) throws(JSONError) -> [TUFSignature] {
        let list = try JSONFields(["signatures": value]).objects("signatures", limit: 1024)
        var signatures: [TUFSignature] = []
        var seen: Set<String> = []
        for fields in list {
            let signature = try TUFSignature(fields)
            guard seen.insert(signature.keyID).inserted else {
                throw fields.error("keyid", "has more than one signature")
            }
            signatures.append(signature)
        }
        return signatures
    }
}
