/// A parsed JSON document as positions in its own bytes.
///
/// Large signed documents (targets metadata of 10,000 entries) are read once, without an allocation for each value;
/// `JSONValue` is made only of the parts that somebody asks for.
public struct JSONDocument: Sendable {
    /// The bytes exactly as received, and the tokens found in them; shared by all nodes.
    final class Storage: Sendable {
        let bytes: [UInt8]
        let tokens: [JSONToken]

        init(bytes: [UInt8], tokens: [JSONToken]) {
            self.bytes = bytes
            self.tokens = tokens
        }
    }

    let storage: Storage

    /// Parses one JSON document of at most `limit` bytes; refuses what `JSONValue.parse` refuses.
    public init(parsing bytes: [UInt8], limit: Int) throws(JSONError) {
        guard bytes.count <= limit, bytes.count < Int(UInt32.max) else {
            throw JSONError(location: "", reason: "document of \(bytes.count) bytes is longer than \(limit)")
        }
        do {
            let tokens = try bytes.withUnsafeBufferPointer { buffer in
                var scanner = JSONScanner(buffer)
                return try scanner.document()
            }
            storage = Storage(bytes: bytes, tokens: tokens)
        } catch let error as JSONError {
            throw error
        } catch {
            throw JSONError(location: "", reason: "\(error)")
        }
    }

    /// The bytes exactly as received.
    public var bytes: [UInt8] { storage.bytes }

    /// The value of the whole document.
    public var root: JSONNode { JSONNode(storage: storage, index: 0) }
}

extension JSONValue {
    /// Deepest nesting that is read.
    public static let maximumDepth = 64

    /// Parses one JSON document of at most `limit` bytes.
    ///
    /// Refuses what canonical JSON cannot hold or what two readers might understand differently: floats, duplicate keys,
    /// lone surrogates, bytes that are not UTF-8, anything after the document, nesting deeper than `maximumDepth`.
    /// Control characters inside strings are read whether escaped or not: canonical text carries them literally.
    public static func parse(_ bytes: [UInt8], limit: Int) throws(JSONError) -> JSONValue {
        try JSONDocument(parsing: bytes, limit: limit).root.value
    }
}
