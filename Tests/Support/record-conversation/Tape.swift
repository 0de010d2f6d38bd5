import CanonicalJSON
import MusterClient
import MusterTestSupport

/// Everything that went between an agent and the service, in the order in which it was answered.
actor Tape {
    /// One exchange as it went by.
    struct Entry: Sendable {
        let request: LoopbackServer.Request
        let status: Int
        let type: String
        let answer: [UInt8]

        /// Both bodies as text.
        var text: String { String(decoding: request.body, as: UTF8.self) + String(decoding: answer, as: UTF8.self) }
    }

    private(set) var entries: [Entry] = []

    func add(_ entry: Entry) { entries.append(entry) }

    /// Waits until one of the exchanges after the first `start` ones is as it should be.
    func wait(for what: String, after start: Int, _ isReached: @Sendable (Entry) -> Bool) async throws {
        for _ in 0..<1200 {
            if entries.dropFirst(start).contains(where: isReached) { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        let names = entries.dropFirst(start).map { "\($0.request.method) \($0.request.path) \($0.status)" }
        throw RunningProgram.Failure(
            "\(what) did not come within two minutes; there were:\n\(names.joined(separator: "\n"))"
        )
    }

    /// Runs `body` with a proxy before the service at `address` that puts everything on the tape.
    static func run(
        before address: String,
        _ body: (Tape, _ proxy: String) async throws -> Void
    ) async throws {
        let tape = Tape()
        let transport = try HTTPTransport()
        do {
            try await LoopbackServer.run { request in
                await tape.forward(request, to: address, by: transport)
            } _: { server in
                try await body(tape, server.address)
            }
        } catch {
            await transport.close()
            throw error
        }
        await transport.close()
    }

    /// Header fields that are the connection's and no agent's own.
    private static let connectionFields: Set<String> = ["host", "content-length", "connection", "transfer-encoding"]

    private nonisolated func forward(
        _ request: LoopbackServer.Request,
        to address: String,
        by transport: HTTPTransport
    ) async -> LoopbackServer.Reply {
        let own = request.headers.filter { !Self.connectionFields.contains($0.key) }
        let message = HTTPRequest(
            address + request.path + (request.query.isEmpty ? "" : "?" + request.query),
            method: HTTPRequest.Method(rawValue: request.method) ?? .get,
            headers: own.sorted { $0.key < $1.key },
            body: request.body.isEmpty ? .none : .bytes(request.body),
            limit: 100_000_000,
            seconds: 120
        )
        guard let reply = try? await transport.exchange(message) else { return LoopbackServer.Reply(502) }
        let type = reply.header("Content-Type") ?? ""
        let recorded = LoopbackServer.Request(
            method: request.method,
            path: request.path,
            query: request.query,
            headers: own,
            body: request.body
        )
        await add(Entry(request: recorded, status: reply.status, type: type, answer: reply.body))
        var headers: [String: String] = [:]
        for name in ["Content-Type", "Content-Range", "ETag", "Accept-Ranges"] { headers[name] = reply.header(name) }
        return LoopbackServer.Reply(reply.status, .bytes(reply.body), headers: headers)
    }
}
