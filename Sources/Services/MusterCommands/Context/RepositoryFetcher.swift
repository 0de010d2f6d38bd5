import MusterClient
import TUFClient

/// Fetches TUF metadata from the fleet service over the connection that the other calls use.
struct RepositoryFetcher: TUFFetcher {
    private let client: MusterClient

    init(_ client: MusterClient) {
        self.client = client
    }

    /// The bytes below `/tuf/metadata/`, or nil where the service does not have them.
    func fetch(_ path: String, limit: Int) async throws(TUFClientError) -> [UInt8]? {
        try await get("/tuf/metadata/" + path, limit: limit)
    }

    /// The bytes of a small target file below `/tuf/targets/`.
    func target(_ path: String, limit: Int) async throws(TUFClientError) -> [UInt8]? {
        try await get("/tuf/targets/" + path, limit: limit)
    }

    private func get(_ path: String, limit: Int) async throws(TUFClientError) -> [UInt8]? {
        let address = client.service.url(path)
        let reply: HTTPReply
        do {
            reply = try await client.transport.exchange(HTTPRequest(address, limit: limit, seconds: 60))
        } catch {
            throw .fetch(address: address, reason: error.description)
        }
        switch reply.status {
        case 200: return reply.body
        case 403, 404: return nil
        default: throw .fetch(address: address, reason: "status \(reply.status)")
        }
    }
}
