import MusterClient
import MusterTestSupport
import Testing

@testable import MusterServer

@Suite("The description of the API")
struct OpenAPITests {
    @Test("Every path and method that is described is answered, and only those methods")
    func routes() async throws {
        try await ServerFixture.run { fixture in
            let session = try await fixture.login()
            var path = ""
            var count = 0
            // The rotation is read and driven at one path.
            let double = "/v1/ssh/rotation"
            for line in OpenAPI.document.split(separator: "\n") {
                let text = line.drop { $0 == " " }
                if text.hasPrefix("/"), line.hasPrefix("  /") {
                    path = String(text.prefix { $0 != ":" })
                    continue
                }
                guard line.hasPrefix("    "), !line.hasPrefix("     "),
                    let method = HTTPRequest.Method(rawValue: text.prefix { $0 != ":" }.uppercased())
                else { continue }
                let digest = String(repeating: "a", count: 64)
                let address = path.replacing("{id}", with: "x").replacing("{role}", with: "releases")
                    .replacing("{sha256}", with: digest).replacing("{file}", with: "1.root.json")
                    .replacing("{code}", with: "K7QD-42MX-9FGH")
                count += 1
                for tried in [HTTPRequest.Method.get, .post, .put] where !(path.hasPrefix("/tuf") && tried != method) {
                    if path == double, tried != method, tried != .put { continue }
                    let reply = try await fixture.client.transport.exchange(
                        HTTPRequest(
                            fixture.url + address,
                            method: tried,
                            headers: [("Authorization", "Bearer " + session)],
                            body: tried == .get ? .none : .bytes([]),
                            limit: 1_000_000
                        )
                    )
                    #expect((reply.status == 405) == (tried != method), "\(tried.rawValue) \(path)")
                    let text = String(decoding: reply.body, as: UTF8.self)
                    #expect(!text.contains("there is nothing at"), "\(tried.rawValue) \(path)")
                }
            }
            #expect(count == 55)
        }
    }
}
