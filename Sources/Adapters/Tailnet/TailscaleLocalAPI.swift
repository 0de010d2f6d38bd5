// Tailscale (and Headscale, whose nodes run tailscaled too), asked through the LocalAPI of this machine's tailscaled.
//
// Parties: tailscaled, which holds the network map that the control server signed for this machine, and we. File: its Unix
// socket, which the system protects. Trust: what it says about an address is true, since WireGuard lets no peer send from
// another's address. Rotation: a node keeps its StableID for life while its key changes; an id that is another is another
// node. The API is not promised to be stable, so only the members that matter are read, and all others are stepped over.
import ByteCoding
import MusterSystem

/// Asks tailscaled who is at an address.
///
/// ```
/// GET /localapi/v0/whois?addr=100.64.0.5:0     Host: local-tailscaled.sock, no Origin, no Referer
/// GET /localapi/v0/status
/// ```
public struct TailscaleLocalAPI: TailnetSource {
    /// Where tailscaled listens unless it was told otherwise.
    public static let standardSocket = "/var/run/tailscale/tailscaled.sock"

    private let socket: String
    private let timeout: Duration

    /// Most bytes of one node's answer: its capabilities may be long.
    private static let whoisLimit = 4 << 20
    /// Most bytes of the whole status: some kilobytes for each peer.
    private static let statusLimit = 128 << 20

    /// The tailscaled behind a socket.
    public init(socket: String = TailscaleLocalAPI.standardSocket, timeout: Duration = .seconds(3)) {
        self.socket = socket
        self.timeout = timeout
    }

    /// Who is at an address.
    public func whois(_ address: String) async throws(TailnetError) -> TailnetIdentity? {
        guard let asked = IPAddress(address) else { return nil }
        let place = asked.bytes.count == 4 ? "\(asked):0" : "%5B\(asked)%5D:0"
        let reply = try await get("/localapi/v0/whois?addr=\(place)", limit: Self.whoisLimit)
        if reply.status == 404 { return nil }
        let identity = try read("whois", reply) { json throws(ForeignJSONError) in
            try TailscaleDocuments.whois(&json)
        }
        guard identity.addresses.contains(where: { IPAddress($0) == asked }) else {
            throw failure("whois", "it says that \(asked) is \(identity.id), which does not have that address")
        }
        return identity
    }

    /// Every peer.
    public func identities() async throws(TailnetError) -> [TailnetIdentity] {
        let reply = try await get("/localapi/v0/status", limit: Self.statusLimit)
        return try read("status", reply) { json throws(ForeignJSONError) in
            try TailscaleDocuments.status(&json)
        }.peers
    }

    /// This machine.
    public func own() async throws(TailnetError) -> TailnetIdentity {
        let reply = try await get("/localapi/v0/status?peers=false", limit: Self.statusLimit)
        let status = try read("status", reply) { json throws(ForeignJSONError) in
            try TailscaleDocuments.status(&json)
        }
        guard status.state == "Running" else {
            throw failure("status", "it is in the state \(status.state), not Running: run 'tailscale up' first")
        }
        guard let own = status.own, !own.addresses.isEmpty else {
            throw failure("status", "it has no tailnet address yet")
        }
        return own
    }

    // MARK: - One exchange

    private func get(_ path: String, limit: Int) async throws(TailnetError) -> LocalHTTP.Reply {
        let received: [UInt8]
        do {
            received = try await UnixSocketExchange.run(
                socket,
                request: LocalHTTP.request(path, host: "local-tailscaled.sock"),
                limit: limit,
                timeout: timeout,
                isComplete: LocalHTTP.isComplete
            )
        } catch {
            throw TailnetError("cannot ask tailscaled: \(error); is tailscaled running?")
        }
        guard let reply = LocalHTTP.parse(received) else {
            throw failure(path, "its answer is not whole, or is not HTTP")
        }
        guard reply.status == 200 || reply.status == 404 else {
            let why = String(decoding: reply.body.prefix(200), as: UTF8.self).filter { $0 != "\n" }
            throw failure(path, "it answered with status \(reply.status): \(why)")
        }
        return reply
    }

    private func read<Value>(
        _ what: String,
        _ reply: LocalHTTP.Reply,
        _ body: (inout ForeignJSON) throws(ForeignJSONError) -> Value
    ) throws(TailnetError) -> Value {
        guard reply.status == 200 else { throw failure(what, "it answered with status \(reply.status)") }
        do throws(ForeignJSONError) {
            var json = ForeignJSON(reply.body)
            json.begin()
            let value = try body(&json)
            try json.end()
            return value
        } catch {
            throw failure(what, "its answer cannot be understood: \(error.reason)")
        }
    }

    private func failure(_ what: String, _ why: String) -> TailnetError {
        TailnetError("cannot learn from tailscaled at \(socket) (\(what)): \(why)")
    }
}
