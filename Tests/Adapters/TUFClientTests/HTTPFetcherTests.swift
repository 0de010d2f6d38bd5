import MusterTestSupport
import TUFClient
import Testing

@Suite struct HTTPFetcherTests {
    private func fetch(
        _ reply: LoopbackServer.Reply,
        limit: Int = 1000,
        grace: Int64 = 60
    ) async throws -> [UInt8]? {
        var pace = HTTPFetcher.Pace()
        pace.grace = grace
        return try await LoopbackServer.run { _ in
            reply
        } _: { [pace] server in
            let connections = HTTPConnections()
            let result: Result<[UInt8]?, any Error>
            do {
                let fetcher = HTTPFetcher(server.address + "/tuf", connections: connections, pace: pace)
                result = .success(try await fetcher.fetch("x.json", limit: limit))
            } catch {
                result = .failure(error)
            }
            await connections.shutdown()
            return try result.get()
        }
    }

    @Test("a file arrives; a missing or forbidden one is none")
    func plain() async throws {
        #expect(try await fetch(.init(200, .bytes([1, 2, 3]))) == [1, 2, 3])
        #expect(try await fetch(.init(404)) == nil)
        #expect(try await fetch(.init(403)) == nil)
    }

    @Test("endless data is given up behind the limit")
    func endless() async throws {
        // Large pieces fill the socket, so that the server waits for us instead of keeping its threads busy.
        let piece = [UInt8](repeating: 1, count: 1 << 18)
        await #expect(throws: TUFClientError.self) { try await fetch(.init(200, .endless(piece)), limit: 1 << 20) }
        await #expect(throws: TUFClientError.self) { try await fetch(.init(200, .bytes([1, 2, 3])), limit: 2) }
    }

    @Test("slow retrieval is given up")
    func slow() async throws {
        await #expect(throws: TUFClientError.self) {
            try await fetch(
                .init(200, .slow([UInt8](repeating: 1, count: 900), piece: 1, pause: .milliseconds(50))),
                grace: 1
            )
        }
    }

    @Test("errors, redirects and cut-off answers are errors, not files", arguments: [500, 503, 301, 302, 307, 204])
    func status(code: Int) async throws {
        await #expect(throws: TUFClientError.self) {
            try await fetch(.init(code, .bytes([]), headers: ["Location": "/elsewhere"]))
        }
        await #expect(throws: TUFClientError.self) { try await fetch(.init(200, .cutOff([1, 2], promised: 10))) }
    }
}
