import ByteCoding
import CanonicalJSON
import MusterClient
import MusterSystem
import MusterTestSupport

/// Says to today's service what a released agent said, word for word, and compares what it answers.
public struct Replay: Sendable {
    /// What was expected of an answer and did not come.
    public struct Difference: Error, CustomStringConvertible {
        /// The exchange, and what is different.
        public let description: String
    }

    private let conversation: Conversation
    /// Whether requests say something besides that no service knows: a later agent would.
    private let saysMore: Bool
    private let transport: HTTPTransport

    /// Holds a conversation with today's service; throws at the first difference.
    public static func run(_ conversation: Conversation, sayingMore: Bool = false) async throws {
        let transport = try HTTPTransport()
        let replay = Replay(conversation: conversation, saysMore: sayingMore, transport: transport)
        do {
            try await Stage.run(conversation.setting) { stage in try await replay.run(&stage) }
        } catch {
            await transport.close()
            throw error
        }
        await transport.close()
    }

    private func run(_ stage: inout Stage) async throws {
        for name in ["node", "node-next"] {
            stage.variables["key:" + name] = .string(Hex.encode(key(name).publicKey))
        }
        for step in conversation.steps {
            switch step {
            case .act(let act): try await stage.perform(act)
            case .exchange(let exchange): try await say(exchange, &stage)
            }
        }
    }

    private func key(_ name: String) -> TestKey { TestKey("\(conversation) \(name)") }

    /// Asks, again where an agent would, and keeps what later requests need.
    private func say(_ exchange: RecordedExchange, _ stage: inout Stage) async throws {
        var different = ""
        var silences = 0
        for _ in 0..<60 {
            let (status, body) = try await ask(exchange, stage)
            let document = try? JSONValue.parse(body, limit: max(1, body.count))
            if let document { keepSequence(exchange, document, &stage) }
            different = differences(exchange, status, document, body).joined(separator: "; ")
            if different.isEmpty {
                guard try keep(exchange, document ?? .null, &stage) else { continue }
                return
            }
            // An agent polls until there is something to do, or nothing any more.
            if status == 204 { silences += 1 }
            guard exchange.path == "/v1/node/manifest", status == 200 || silences == 1 else { break }
        }
        throw Difference(description: "\(conversation): \(exchange.name): \(different)")
    }

    private func ask(_ exchange: RecordedExchange, _ stage: Stage) async throws -> (status: Int, body: [UInt8]) {
        var variables = stage.variables
        variables["now"] = .integer(WallClock.now().milliseconds)
        var body = HTTPRequest.Body.none
        if let recorded = exchange.body {
            for signing in exchange.signs {
                let document = try variables.fill(signing.document)
                let signature = key(signing.key).sign(document.canonicalBytes)
                variables["signature:" + signing.member] = .string(Hex.encode(signature))
            }
            let filled = try variables.fill(recorded)
            body = .bytes((saysMore ? Self.more(filled) : filled).jsonBytes)
        }
        guard let method = HTTPRequest.Method(rawValue: exchange.method) else {
            throw Difference(description: "\(exchange.name): unknown method")
        }
        let query = exchange.query.isEmpty ? "" : "?" + (try variables.fill(exchange.query))
        var headers: [(String, String)] = []
        for (name, value) in exchange.headers.sorted(by: { $0.key < $1.key }) {
            headers.append((name, try variables.fill(value)))
        }
        let request = HTTPRequest(
            stage.fleet.address + (try variables.fill(exchange.path)) + query,
            method: method,
            headers: headers,
            body: body,
            limit: 100_000_000,
            seconds: 120
        )
        let reply = try await transport.exchange(request)
        return (reply.status, reply.body)
    }

    private func differences(
        _ exchange: RecordedExchange,
        _ status: Int,
        _ document: JSONValue?,
        _ body: [UInt8]
    ) -> [String] {
        guard status == exchange.status else {
            return [
                "status was \(exchange.status) and is \(status): \(String(decoding: body.prefix(500), as: UTF8.self))"
            ]
        }
        guard exchange.answer != nil else { return [] }
        guard let document else { return ["the answer was JSON and is not"] }
        if status >= 400, document["type"] != exchange.answer?["type"] {
            return ["the problem was \(exchange.answer?["type"]?.text ?? "") and is \(document["type"]?.text ?? "")"]
        }
        return AgentReader.missing(exchange.reads, in: document)
    }

    /// The sequence is an agent's from every manifest, whatever else is in it.
    private func keepSequence(_ exchange: RecordedExchange, _ document: JSONValue, _ stage: inout Stage) {
        guard exchange.path == "/v1/node/manifest", let number = document["signed"]?["sequence"] else { return }
        stage.variables["sequence"] = number
    }

    /// Keeps what later requests need; false where it is the work of before once more.
    private func keep(_ exchange: RecordedExchange, _ document: JSONValue, _ stage: inout Stage) throws -> Bool {
        var known = Set(stage.variables.values.values)
        for (name, place) in exchange.keeps.sorted(by: { $0.key < $1.key }) {
            var values = place.values(in: document)
            if place.steps.contains("*") {
                // One of several: the one that is new.
                values.removeAll { known.contains($0) }
                if values.isEmpty { return false }
            }
            guard let value = values.first else {
                throw Difference(description: "\(conversation): \(exchange.name): \(place) is gone, which was kept")
            }
            stage.variables[name] = value
            known.insert(value)
        }
        return true
    }

    /// Members whose own members are names of things.
    private static let maps: Set<String> = [
        "packages", "operators", "groups", "commands", "parameters", "environment", "arguments", "sealed", "targets",
        "meta", "keys", "roles", "hashes", "metrics", "local_pins", "limits", "tag_in_flight",
    ]

    /// The document with a member in each of its objects that nobody knows.
    public static func more(_ value: JSONValue) -> JSONValue { more(value, isMap: false) }

    private static func more(_ value: JSONValue, isMap: Bool) -> JSONValue {
        switch value {
        case .array(let elements): return .array(elements.map(more))
        case .object(let object):
            let members = object.members.map { ($0.key, more($0.value, isMap: maps.contains($0.key))) }
            return .object(JSONObject(members + (isMap ? [] : [("of_a_later_version", [1, "two"])])))
        default: return value
        }
    }
}
