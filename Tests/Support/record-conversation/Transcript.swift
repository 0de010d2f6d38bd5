import ByteCoding
import CanonicalJSON
import MusterTestSupport
import RecordedConversations
import SignatureVerification

/// Makes a conversation out of what went by: names what varies, proves that each signature is over what it says, and
/// leaves out what was said twice.
struct Transcript {
    /// The agent's version, as it said it.
    private(set) var version = ""
    private var variables: Variables
    private var said: Set<String> = []

    init(_ variables: Variables) {
        self.variables = Variables(
            variables.values.filter { ["fleet", "secret", "secret_sha256"].contains($0.key) }
        )
    }

    mutating func write(
        _ entries: [Tape.Entry],
        _ acts: [(after: Int, act: OperatorAct)]
    ) throws -> [Conversation.Step] {
        var steps: [Conversation.Step] = []
        for index in 0...entries.count {
            for (_, act) in acts.filter({ $0.after == index }) {
                steps.append(.act(act))
                said = []
            }
            guard index < entries.count, let exchange = try exchange(entries[index]) else { continue }
            steps.append(.exchange(exchange))
        }
        return steps
    }

    private mutating func exchange(_ entry: Tape.Entry) throws -> RecordedExchange? {
        let request = entry.request
        // Nothing came for most of a minute; a replay should not wait for that.
        if entry.status == 204, request.query.contains("wait="), !request.query.hasSuffix("wait=0") { return nil }
        // The agent has let go of this poll, and its answer went nowhere: it knows a later manifest than it asks after.
        if request.path == "/v1/node/manifest", query(request.query) == request.query,
            !request.query.hasPrefix("after=0&")
        {
            return nil
        }
        var exchange = RecordedExchange(
            method: request.method,
            path: path(request.path),
            query: query(request.query),
            headers: request.headers.mapValues { text($0) },
            body: nil
        )
        if !request.body.isEmpty { try take(request.body, into: &exchange) }
        exchange.status = entry.status
        exchange.type = entry.type
        let isNew = said.insert(exchange.json.canonicalText).inserted
        let keptSomething = try take(entry.answer, request, into: &exchange)
        return isNew || keptSomething ? exchange : nil
    }

    // MARK: - Requests

    private mutating func take(_ bytes: [UInt8], into exchange: inout RecordedExchange) throws {
        let body = try JSONValue.parse(bytes, limit: 1 << 20)
        guard body.jsonBytes == bytes else {
            throw RunningProgram.Failure("\(exchange.name): a replay would write its body in another way")
        }
        if let text = body["agent_version"]?.text { version = text }
        if let key = body["node_key"], exchange.path == "/v1/enroll" { variables["key:node"] = key }
        if let key = body["new_key"] { variables["key:node-next"] = key }
        exchange.signs = try signings(exchange.path, body)
        var object = JSONObject()
        if case .object(let members) = template(body, "") { object = members }
        for signing in exchange.signs { object[signing.member] = .string("${signature:\(signing.member)}") }
        exchange.body = .object(object)
    }

    /// What an agent signs, and with which key; checked against the signatures that it made.
    private func signings(_ path: String, _ body: JSONValue) throws -> [RecordedExchange.Signing] {
        var document: JSONObject
        var members = ["signature"]
        switch path {
        case "/v1/enroll":
            document = ["_type": "node-enroll"]
            for name in ["fleet", "name", "node_key"] { document[name] = body[name] }
        case "/v1/node/session":
            document = ["_type": "node-session", "fleet": variables["fleet"] ?? .null]
            for name in ["node", "challenge"] { document[name] = body[name] }
        case "/v1/node/key":
            document = ["_type": "node-key", "fleet": variables["fleet"] ?? .null]
            document["node"] = variables["node"]
            document["old_key"] = variables["key:node"]
            document["new_key"] = body["new_key"]
            members = ["old_signature", "new_signature"]
        default: return []
        }
        return try members.map { member in
            let signature = Hex.decode(body[member]?.text ?? "") ?? []
            let key = ["node", "node-next"].first { name in
                Ed25519.verify(
                    signature: signature,
                    message: JSONValue.object(document).canonicalBytes,
                    publicKey: Hex.decode(variables["key:" + name]?.text ?? "") ?? []
                )
            }
            guard let key else { throw RunningProgram.Failure("\(path): nobody knows what \(member) signs") }
            return RecordedExchange.Signing(member: member, key: key, document: template(.object(document), ""))
        }
    }

    /// The value with variables in place of what varies.
    private func template(_ value: JSONValue, _ key: String) -> JSONValue {
        switch value {
        case .string(let content): return .string(text(content))
        case .array(let elements): return .array(elements.map { template($0, key) })
        case .object(let object):
            return .object(JSONObject(object.members.map { ($0.key, template($0.value, $0.key)) }))
        case .integer(let number):
            switch key {
            case "at", "time", "started": return "${now}"
            case "uptime_seconds": return 1000
            case "sequence" where number > 0 && value == variables["sequence"]: return "${sequence}"
            case "timestamp_version" where value == variables["timestamp"]: return "${timestamp}"
            default: return value
            }
        default: return value
        }
    }

    /// The text with variables in place of ids, keys and tokens.
    private func text(_ content: String) -> String {
        var content = content
        for (name, value) in variables.values.sorted(by: { $0.key < $1.key }) {
            guard case .string(let known) = value, known.utf8.count >= 16 || name == "code" else { continue }
            if let range = content.firstRange(of: known) { content.replaceSubrange(range, with: "${\(name)}") }
        }
        return content
    }

    private func query(_ query: String) -> String {
        query.split(separator: "&").map { part -> String in
            let words = part.split(separator: "=", maxSplits: 1)
            guard words.count == 2 else { return String(part) }
            if words[0] == "after", Int64(words[1]).map({ .integer($0) }) == variables["sequence"] {
                return "after=${sequence}"
            }
            return words[0] + "=" + text(String(words[1]))
        }.joined(separator: "&")
    }

    /// `/tuf/metadata/12.snapshot.json`, `/tuf/targets/releases/HASH.name` and ids, without what varies.
    private func path(_ path: String) -> String {
        let folder = "/tuf/metadata/"
        guard path.hasPrefix(folder) else { return text(path) }
        let parts = path.dropFirst(folder.count).split(separator: ".", maxSplits: 1)
        guard parts.count == 2, let number = Int64(parts[0]) else { return path }
        let name = "version:" + parts[1]
        return variables[name] == .integer(number) ? "\(folder)${\(name)}.\(parts[1])" : path
    }

    // MARK: - Answers

    /// Takes an answer; whether it says something that was not known.
    private mutating func take(
        _ bytes: [UInt8],
        _ request: LoopbackServer.Request,
        into exchange: inout RecordedExchange
    ) throws -> Bool {
        guard let answer = try? JSONValue.parse(bytes, limit: max(1, bytes.count)) else { return false }
        guard let reader = AgentReader(request.method, request.path, status: exchange.status) else { return false }
        exchange.answer = answer
        exchange.reads = try reader.members(of: answer)
        // A request that was refused leaves nothing to go on with.
        guard exchange.status < 400 else { return false }
        exchange.keeps = keeps(request.path, answer)
        var isNew = takeWork(answer, into: &exchange)
        for (name, place) in exchange.keeps where !place.steps.contains("*") {
            guard let value = place.values(in: answer).first, variables[name] != value else { continue }
            variables[name] = value
            isNew = true
        }
        return isNew
    }

    private func keeps(_ path: String, _ answer: JSONValue) -> [String: JSONPlace] {
        switch path {
        case "/v1/enroll":
            return answer["node"] == nil ? ["code": JSONPlace("/code")] : ["node": JSONPlace("/node")]
        // An agent may have several of them under way.
        case "/v1/node/challenge": return [numbered("challenge"): JSONPlace("/challenge")]
        case "/v1/node/session": return [numbered("session"): JSONPlace("/token")]
        case "/v1/node/manifest": return ["sequence": JSONPlace("/signed/sequence")]
        case "/tuf/metadata/timestamp.json":
            let version = JSONPlace(["signed", "meta", "snapshot.json", "version"])
            return ["timestamp": JSONPlace("/signed/version"), "version:snapshot.json": version]
        default: return path.hasPrefix("/tuf/metadata/") ? metadata(answer) : [:]
        }
    }

    /// The name of one more variable of a kind.
    private func numbered(_ kind: String) -> String {
        "\(kind)-\(variables.values.keys.count { $0.hasPrefix(kind + "-") } + 1)"
    }

    /// Takes the rollouts and runs that a manifest tells of and that were not known: in whatever order they stand there.
    private mutating func takeWork(_ answer: JSONValue, into exchange: inout RecordedExchange) -> Bool {
        var isNew = false
        for (list, member) in [("assignments", "rollout"), ("runs", "run")] {
            for work in answer["signed"]?[list]?.elements ?? [] {
                let known = variables.values.filter { $0.key.hasPrefix(member + "-") }
                guard let id = work[member], !known.values.contains(id) else { continue }
                let name = "\(member)-\(known.count + 1)"
                exchange.keeps[name] = JSONPlace(["signed", list, "*", member])
                variables[name] = id
                isNew = true
            }
        }
        return isNew
    }

    private func metadata(_ answer: JSONValue) -> [String: JSONPlace] {
        var keeps: [String: JSONPlace] = [:]
        if case .object(let meta)? = answer["signed"]?["meta"] {
            for name in meta.keys { keeps["version:" + name] = JSONPlace(["signed", "meta", name, "version"]) }
        }
        if case .object(let targets)? = answer["signed"]?["targets"] {
            for name in targets.keys {
                keeps["hash:" + name] = JSONPlace(["signed", "targets", name, "hashes", "sha256"])
            }
        }
        return keeps
    }
}

extension JSONValue {
    fileprivate var canonicalText: String { String(decoding: canonicalBytes, as: UTF8.self) }
}
