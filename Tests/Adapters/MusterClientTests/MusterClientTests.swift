import CanonicalJSON
import MusterAPI
import MusterModel
import MusterTestSupport
import Testing

@testable import MusterClient

/// The client against a service that answers well or badly.
@Suite
struct MusterClientTests {
    private func client<Value: Sendable>(
        _ answer: @escaping @Sendable (LoopbackServer.Request) async -> LoopbackServer.Reply,
        _ body: (MusterClient) async throws -> Value
    ) async throws -> Value {
        try await LoopbackServer.run(answer: answer) { server in
            let client = try MusterClient(service: server.address)
            do {
                let value = try await body(client)
                await client.close()
                return value
            } catch {
                await client.close()
                throw error
            }
        }
    }

    private func failure(
        _ answer: @escaping @Sendable (LoopbackServer.Request) async -> LoopbackServer.Reply
    ) async throws -> ClientError? {
        try await client(answer) { client in
            do throws(ClientError) {
                _ = try await client.serviceDescription()
                return nil
            } catch {
                return error
            }
        }
    }

    @Test("a problem document becomes a typed error with its code")
    func problem() async throws {
        let problem = Problem(status: 403, code: "wrong-address", title: "Wrong address", detail: "not yours")
        let error = try await failure { _ in LoopbackServer.Reply(403, .bytes(problem.json.jsonBytes)) }
        #expect(error == .problem(problem))
        #expect(error?.problemCode == "wrong-address")
    }

    @Test("a refusal without a problem document still says its status")
    func bareStatus() async throws {
        let error = try await failure { _ in LoopbackServer.Reply(502, .bytes(Array("<html>".utf8))) }
        #expect(error?.status == 502)
    }

    @Test("a redirect is not followed")
    func redirect() async throws {
        let error = try await failure { request in
            #expect(request.path == "/v1/service")
            return LoopbackServer.Reply(302, headers: ["Location": "/elsewhere"])
        }
        #expect(error?.status == 302)
    }

    @Test("an endless answer is cut off at its limit")
    func endless() async throws {
        let error = try await failure { _ in
            LoopbackServer.Reply(200, .endless([UInt8](repeating: 0x20, count: 65536)))
        }
        #expect(error == .malformed(call: "GET /v1/service", why: "it is longer than 262144 bytes"))
    }

    @Test("an answer that breaks off is unreachable, not half an answer")
    func cutOff() async throws {
        let error = try await failure { _ in LoopbackServer.Reply(200, .cutOff(Array("{".utf8), promised: 100)) }
        guard case .unreachable = error else { return #expect(Bool(false), "\(String(describing: error))") }
    }

    @Test("nobody listening is said in words")
    func refused() async throws {
        let client = try MusterClient(service: "http://127.0.0.1:1")
        let error = await #expect(throws: ClientError.self) { try await client.serviceDescription() }
        #expect(error?.description == "cannot reach http://127.0.0.1:1: connection refused")
        await client.close()
    }

    @Test("one deadline covers head and body, however slowly the bytes come")
    func slow() async throws {
        let pieces = [UInt8](repeating: 0x20, count: 10_000)
        let answer: @Sendable (LoopbackServer.Request) async -> LoopbackServer.Reply = { _ in
            LoopbackServer.Reply(200, .slow(pieces, piece: 1, pause: .milliseconds(50)))
        }
        try await LoopbackServer.run(answer: answer) { server in
            let transport = try HTTPTransport()
            let error = await #expect(throws: HTTPTransportError.self) {
                try await transport.exchange(HTTPRequest(server.address + "/", seconds: 1))
            }
            #expect(error == .timedOut(seconds: 1))
            await transport.close()
        }
    }

    @Test("no manifest within the wait is nil, and a manifest comes byte for byte")
    func manifest() async throws {
        let answer: @Sendable (LoopbackServer.Request) async -> LoopbackServer.Reply = { request in
            #expect(request.headers["authorization"] == "Bearer t")
            return request.query == "after=7&wait=0"
                ? LoopbackServer.Reply(204) : LoopbackServer.Reply(200, .bytes([1, 2]))
        }
        try await client(answer) { client in
            let none = try await client.manifest(after: 7, wait: 0, session: "t")
            let some = try await client.manifest(after: 8, wait: 0, session: "t")
            #expect(none == nil)
            #expect(some == [1, 2])
        }
    }

    @Test("the local address asked for is the one connected from")
    func localAddress() async throws {
        let answer: @Sendable (LoopbackServer.Request) async -> LoopbackServer.Reply = { _ in
            LoopbackServer.Reply(204)
        }
        try await LoopbackServer.run(answer: answer) { server in
            let transport = try HTTPTransport(HTTPTransport.Options(localAddress: "127.0.0.77"))
            let reply = try await transport.exchange(HTTPRequest(server.address + "/healthz"))
            #expect(reply.status == 204)
            await transport.close()
            let foreign = try HTTPTransport(HTTPTransport.Options(localAddress: "192.0.2.1"))
            let error = await #expect(throws: HTTPTransportError.self) {
                try await foreign.exchange(HTTPRequest(server.address + "/healthz"))
            }
            #expect(error == .failed("cannot use the local address asked for"))
            await foreign.close()
        }
    }

    @Test(
        "an address that is none is refused",
        arguments: ["ftp://x", "http://", "http:///x", "http://a@b", "http://a?b", "http://a b", "localhost:1", ""]
    )
    func badAddress(_ text: String) {
        #expect(ServiceAddress(text) == nil)
    }

    @Test("names in a query are percent-encoded")
    func encoding() {
        #expect(
            ServiceAddress("http://a/")?.url("/x", query: [("path", "releases/a+b~c.deb")])
                == "http://a/x?path=releases%2Fa%2Bb~c.deb"
        )
    }
}
