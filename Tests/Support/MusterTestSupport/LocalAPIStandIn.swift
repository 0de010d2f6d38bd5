import ByteCoding
import Synchronization

/// A stand-in for tailscaled's LocalAPI on a Unix socket of its own, built from captured documents and the rules of
/// `formats.md`: 403 on a wrong Host or any Origin or Referer, members left out when they are zero, tagged nodes without a
/// user of their own, text for errors, documents indented by tabs, and members that nobody reads, floats among them.
public final class LocalAPIStandIn: Sendable {
    /// A node of the tailnet; change it with `update`.
    public struct Node: Sendable {
        /// `nQEB…CNTRL`: for life.
        public var stableID: String
        /// `nodekey:…`: changes.
        public var key: String
        /// The MagicDNS name, with the dot at its end.
        public var name: String
        /// Its addresses, without prefix lengths.
        public var addresses: [String]
        /// The user's login; tagged nodes say `tagged-devices`, whatever this is.
        public var login: String
        /// Its tags.
        public var tags: [String] = []
        /// RFC 3339; empty for a key that does not expire, which leaves the member out.
        public var keyExpiry = ""
        /// Whether the key has expired; left out when false.
        public var expired = false
        /// Whether it is connected; nil leaves the member out.
        public var online: Bool? = true
        /// RFC 3339; empty leaves the member out.
        public var lastSeen = ""
        /// RFC 3339, in status only.
        public var lastHandshake = ""

        /// A node with a name of its own in the tailnet `example.ts.net`, whose key follows from its name.
        public init(_ name: String, _ addresses: [String], login: String = "ada@example.com", tags: [String] = []) {
            stableID = "n\(name)CNTRL"
            key = LocalAPIStandIn.key(name + " 1")
            self.name = name + ".example.ts.net."
            self.addresses = addresses
            self.login = login
            self.tags = tags
        }
    }

    private struct State {
        var own = Node("musterd", ["100.64.0.1"])
        var nodes: [Node] = []
        var state = "Running"
        var hasMagicDNS = true
        var isSilent = false
        var override: LoopbackServer.Reply?
        var requests: [LoopbackServer.Request] = []
        var rotations = 1
    }

    /// Where it listens.
    public let socket: String
    private let state = Mutex(State())

    private init(_ socket: String) {
        self.socket = socket
    }

    /// Runs `body` while a stand-in answers in a folder of its own.
    public static func run<Result: Sendable>(
        _ body: (LocalAPIStandIn) async throws -> Result
    ) async throws -> Result {
        let folder = try TemporaryFolder()
        let standIn = LocalAPIStandIn(folder.file("tailscaled.sock"))
        let result = try await LoopbackServer.run(unixSocket: standIn.socket, answer: standIn.answer) { _ in
            try await body(standIn)
        }
        withExtendedLifetime(folder) {}
        return result
    }

    // MARK: - The tailnet

    /// Adds a node.
    public func add(_ node: Node) {
        state.withLock { $0.nodes.append(node) }
    }

    /// Changes a node, by the first part of its name.
    public func update(_ name: String, _ change: (inout Node) -> Void) {
        state.withLock { state in
            guard let index = state.nodes.firstIndex(where: { $0.name.hasPrefix(name + ".") }) else { return }
            change(&state.nodes[index])
        }
    }

    /// Takes a node out of the tailnet.
    public func remove(_ name: String) {
        state.withLock { $0.nodes.removeAll { $0.name.hasPrefix(name + ".") } }
    }

    /// Gives a node a new key, as `tailscale up --force-reauth` does; returns it.
    @discardableResult
    public func rotate(_ name: String) -> String {
        let number = state.withLock { state in
            state.rotations += 1
            return state.rotations
        }
        let key = Self.key("\(name) \(number)")
        update(name) { $0.key = key }
        return key
    }

    /// Changes this machine.
    public func setOwn(_ change: (inout Node) -> Void) {
        state.withLock { change(&$0.own) }
    }

    /// Says what tailscaled does: `Running`, `NeedsLogin` and so on.
    public func setBackend(_ name: String, magicDNS: Bool = true) {
        state.withLock { state in
            state.state = name
            state.hasMagicDNS = magicDNS
        }
    }

    /// Whether it takes requests and never answers them.
    public func setSilent(_ isSilent: Bool) {
        state.withLock { $0.isSilent = isSilent }
    }

    /// Answers everything so; nil to answer truly again.
    public func setAnswer(_ reply: LoopbackServer.Reply?) {
        state.withLock { $0.override = reply }
    }

    /// Every request so far.
    public var requests: [LoopbackServer.Request] { state.withLock { $0.requests } }

    // MARK: - Answers

    private func answer(_ request: LoopbackServer.Request) async -> LoopbackServer.Reply {
        let (isSilent, override) = state.withLock { state in
            state.requests.append(request)
            return (state.isSilent, state.override)
        }
        if isSilent { try? await Task.sleep(for: .seconds(60)) }
        if let override { return override }
        guard request.headers["host"] == "local-tailscaled.sock", request.headers["origin"] == nil,
            request.headers["referer"] == nil
        else { return Self.error(403, "invalid localapi request") }
        switch request.path {
        case "/localapi/v0/whois": return whois(request.query)
        case "/localapi/v0/status": return Self.document(status(withPeers: !request.query.contains("peers=false")))
        default: return Self.error(404, "404 not found")
        }
    }

    private func whois(_ query: String) -> LoopbackServer.Reply {
        guard query.hasPrefix("addr="), query.count > 5 else { return Self.error(400, "missing 'addr' parameter") }
        let place = query.dropFirst(5).replacing("%5B", with: "[").replacing("%5D", with: "]")
        guard let colon = place.lastIndex(of: ":"), Int(place[place.index(after: colon)...]) != nil else {
            return Self.error(400, "invalid 'addr' parameter")
        }
        let address = place[..<colon].filter { $0 != "[" && $0 != "]" }
        let found = state.withLock { state in ([state.own] + state.nodes).first { $0.addresses.contains(address) } }
        guard let found else { return Self.error(404, "no match for \(place)") }
        return Self.document(Self.whois(found))
    }

    private static func whois(_ node: Node) -> GoJSON {
        var members: [(String, GoJSON)] = [
            ("ID", .raw("6373001343218161")), ("StableID", .text(node.stableID)), ("Name", .text(node.name)),
            ("User", .raw("4538565228176803")), ("Key", .text(node.key)),
        ]
        if !node.keyExpiry.isEmpty { members.append(("KeyExpiry", .text(node.keyExpiry))) }
        members += [
            ("DiscoKey", .text("discokey:" + String(repeating: "a6", count: 32))),
            ("Addresses", .texts(node.addresses.map(withLength))),
            ("AllowedIPs", .texts(node.addresses.map(withLength))), ("HomeDERP", .raw("14")),
            (
                "Hostinfo",
                .object([
                    ("OS", .text("linux")), ("Hostname", .text("host")),
                    ("NetInfo", .object([("DERPLatency", .object([("14-v4", .raw("0.012345678"))]))])),
                ])
            ), ("Created", .text("2026-04-10T17:23:30.195663495Z")), ("Cap", .raw("131")),
        ]
        if !node.tags.isEmpty { members.append(("Tags", .texts(node.tags))) }
        if !node.lastSeen.isEmpty { members.append(("LastSeen", .text(node.lastSeen))) }
        if let online = node.online { members.append(("Online", .raw("\(online)"))) }
        if node.expired { members.append(("Expired", .raw("true"))) }
        let login = node.tags.isEmpty ? node.login : "tagged-devices"
        return .object([
            ("Node", .object(members)),
            (
                "UserProfile",
                .object([
                    ("ID", .raw("4538565228176803")), ("LoginName", .text(login)), ("DisplayName", .text("Some <One>")),
                ])
            ), ("CapMap", .object([("example.com/cap/basic", .array([.object([("rate", .raw("1.5e3"))])]))])),
        ])
    }

    private func status(withPeers: Bool) -> GoJSON {
        let state = state.withLock { state in (state.own, state.nodes, state.state, state.hasMagicDNS) }
        let (own, nodes, backend, hasMagicDNS) = state
        var users: [(String, GoJSON)] = []
        func user(_ node: Node) -> String {
            let login = node.tags.isEmpty ? node.login : "tagged-devices"
            let id = "\(abs(login.utf8.reduce(7) { $0 &* 31 &+ Int($1) }))"
            if !users.contains(where: { $0.0 == id }) {
                users.append((id, .object([("ID", .raw(id)), ("LoginName", .text(login))])))
            }
            return id
        }
        let peers = nodes.map { ($0.key, Self.peer($0, user: user($0))) }
        var members: [(String, GoJSON)] = [
            ("Version", .text("1.98.4")), ("TUN", .raw("true")), ("BackendState", .text(backend)),
            ("HaveNodeKey", .raw("true")), ("AuthURL", .text("")),
            ("TailscaleIPs", backend == "Running" ? .texts(own.addresses) : .raw("null")),
            ("Self", Self.peer(own, user: user(own))), ("Health", .array([])),
            ("MagicDNSSuffix", .text("example.ts.net")),
            ("CurrentTailnet", .object([("Name", .text("example")), ("MagicDNSEnabled", .raw("\(hasMagicDNS)"))])),
        ]
        members.append(("Peer", withPeers ? .object(peers) : .raw("null")))
        members.append(("User", .object(users)))
        return .object(members)
    }

    private static func peer(_ node: Node, user: String) -> GoJSON {
        func moment(_ text: String) -> GoJSON { .text(text.isEmpty ? "0001-01-01T00:00:00Z" : text) }
        var members: [(String, GoJSON)] = [
            ("ID", .text(node.stableID)), ("PublicKey", .text(node.key)), ("HostName", .text("host")),
            ("DNSName", .text(node.name)), ("OS", .text("linux")), ("UserID", .raw(user)),
            ("TailscaleIPs", .texts(node.addresses)), ("RxBytes", .raw("0")), ("LastSeen", moment(node.lastSeen)),
            ("LastHandshake", moment(node.lastHandshake)), ("Online", .raw("\(node.online ?? false)")),
        ]
        if !node.tags.isEmpty { members.append(("Tags", .texts(node.tags))) }
        if node.expired { members.append(("Expired", .raw("true"))) }
        if !node.keyExpiry.isEmpty { members.append(("KeyExpiry", .text(node.keyExpiry))) }
        return .object(members)
    }

    private static func withLength(_ address: String) -> String {
        address + (address.contains(":") ? "/128" : "/32")
    }

    private static func document(_ value: GoJSON) -> LoopbackServer.Reply {
        LoopbackServer.Reply(
            200,
            .bytes(Array((value.text(depth: 0) + "\n").utf8)),
            headers: ["Content-Type": "application/json", "Tailscale-Version": "1.98.4", "Connection": "close"]
        )
    }

    private static func error(_ status: Int, _ text: String) -> LoopbackServer.Reply {
        LoopbackServer.Reply(
            status,
            .bytes(Array((text + "\n").utf8)),
            headers: ["Content-Type": "text/plain; charset=utf-8", "Connection": "close"]
        )
    }

    private static func key(_ seed: String) -> String { "nodekey:" + Hex.encode(TestKey(seed).publicKey) }
}

/// JSON as Go's encoder writes it: members in the order of the struct, tabs, `<`, `>` and `&` escaped.
private indirect enum GoJSON {
    case text(String)
    case raw(String)
    case array([GoJSON])
    case object([(String, GoJSON)])

    static func texts(_ texts: [String]) -> GoJSON { .array(texts.map { .text($0) }) }

    func text(depth: Int) -> String {
        let inner = String(repeating: "\t", count: depth + 1)
        let end = "\n" + String(repeating: "\t", count: depth)
        switch self {
        case .text(let text): return Self.quoted(text)
        case .raw(let text): return text
        case .array(let values):
            guard !values.isEmpty else { return "[]" }
            return "[\n" + values.map { inner + $0.text(depth: depth + 1) }.joined(separator: ",\n") + end + "]"
        case .object(let members):
            guard !members.isEmpty else { return "{}" }
            let lines = members.map { inner + Self.quoted($0.0) + ": " + $0.1.text(depth: depth + 1) }
            return "{\n" + lines.joined(separator: ",\n") + end + "}"
        }
    }

    private static func quoted(_ text: String) -> String {
        "\"" + text.replacing("<", with: "\\u003c").replacing(">", with: "\\u003e").replacing("&", with: "\\u0026")
            + "\""
    }
}
