import CanonicalJSON

/// One request of an agent as it was recorded, what varies named by `${…}`, and the answer that it got.
///
/// ```
/// {"request": {"method": "POST", "path": "/v1/node/session", "headers": {…}, "body": {…}, "signs": [{"member": "signature",
///   "key": "node", "document": {…}}]},
///  "answer": {"status": 200, "type": "application/json", "body": {…}, "reads": {"/token": "a string"}, "keeps": {"session": "/token"}}}
/// ```
public struct RecordedExchange: Hashable, Sendable {
    /// A member of a request that holds a signature.
    public struct Signing: Hashable, Sendable {
        /// The member of the body.
        public let member: String
        /// Which key signs: `node`, or `node-next` after it.
        public let key: String
        /// The document whose canonical bytes are signed.
        public let document: JSONValue

        /// A signature.
        public init(member: String, key: String, document: JSONValue) {
            self.member = member
            self.key = key
            self.document = document
        }
    }

    /// The method.
    public var method: String
    /// The path.
    public var path: String
    /// The query; empty where there is none.
    public var query: String
    /// Header fields that the agent itself sets.
    public var headers: [String: String]
    /// The body; nil where there is none.
    public var body: JSONValue?
    /// The signatures in it.
    public var signs: [Signing]

    /// The status of the answer.
    public var status: Int
    /// Its media type; empty where it said none.
    public var type: String
    /// Its body, literally, where it was JSON.
    public var answer: JSONValue?
    /// What the agent's readers make something of, and of which kind it is.
    public var reads: [JSONPlace: String]
    /// The variables that later requests take from here.
    public var keeps: [String: JSONPlace]

    /// An exchange without an answer yet.
    public init(method: String, path: String, query: String, headers: [String: String], body: JSONValue?) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        signs = []
        status = 0
        type = ""
        answer = nil
        reads = [:]
        keeps = [:]
    }

    /// Reads an exchange.
    public init(_ fields: JSONFields) throws(JSONError) {
        let request = try fields.fields("request")
        method = try request.string("method")
        path = try request.string("path")
        query = request.has("query") ? try request.string("query") : ""
        headers = try Self.texts(try request.fields("headers"))
        body = request.object["body"]
        signs = []
        for signing in request.has("signs") ? try request.objects("signs", limit: 8) : [] {
            signs.append(
                Signing(
                    member: try signing.string("member"),
                    key: try signing.string("key"),
                    document: try signing.value("document")
                )
            )
        }
        let reply = try fields.fields("answer")
        status = Int(try reply.integer("status", in: 100...599))
        type = try reply.string("type")
        answer = reply.object["body"]
        reads = [:]
        for (place, kind) in try Self.texts(try reply.fields("reads")) { reads[JSONPlace(place)] = kind }
        keeps = try Self.texts(try reply.fields("keeps")).mapValues { JSONPlace($0) }
    }

    /// The exchange as it is stored.
    public var json: JSONValue {
        var request: JSONObject = [
            "method": .string(method), "path": .string(path), "headers": Self.object(headers),
        ]
        if !query.isEmpty { request["query"] = .string(query) }
        if let body { request["body"] = body }
        if !signs.isEmpty {
            request["signs"] = .array(
                signs.map { ["member": .string($0.member), "key": .string($0.key), "document": $0.document] }
            )
        }
        var reply: JSONObject = [
            "status": .integer(Int64(status)), "type": .string(type),
            "reads": .object(JSONObject(reads.map { ($0.key.description, .string($0.value)) })),
            "keeps": Self.object(keeps.mapValues(\.description)),
        ]
        if let answer { reply["body"] = answer }
        return ["request": .object(request), "answer": .object(reply)]
    }

    /// What it is, for messages.
    public var name: String { "\(method) \(path)\(query.isEmpty ? "" : "?" + query)" }

    private static func texts(_ fields: JSONFields) throws(JSONError) -> [String: String] {
        var texts: [String: String] = [:]
        for key in fields.object.keys { texts[key] = try fields.string(key) }
        return texts
    }

    private static func object(_ texts: [String: String]) -> JSONValue {
        .object(JSONObject(texts.map { ($0.key, .string($0.value)) }))
    }
}
