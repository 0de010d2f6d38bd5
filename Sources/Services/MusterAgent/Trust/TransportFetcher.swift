import MusterClient
import TUFClient

/// Fetches small files of the repository over the agent's one transport.
public struct TransportFetcher: TUFFetcher {
    private let service: ServiceAddress
    private let transport: HTTPTransport
    private let folder: String
    private let seconds: Int64

    /// Fetches what is below `folder` of the service, such as `/tuf/metadata/`, each file within `seconds`.
    public init(service: ServiceAddress, transport: HTTPTransport, folder: String, seconds: Int64 = 60) {
        self.service = service
        self.transport = transport
        self.folder = folder
        self.seconds = seconds
    }

    /// The bytes at `path`, or nil where the repository does not have them.
    public func fetch(_ path: String, limit: Int) async throws(TUFClientError) -> [UInt8]? {
        let url = service.url(folder + path)
        let reply: HTTPReply
        do {
            let request = HTTPRequest(url, headers: [("User-Agent", "muster")], limit: limit, seconds: seconds)
            reply = try await transport.exchange(request)
        } catch {
            throw .fetch(address: url, reason: "\(error)")
        }
        switch reply.status {
        case 200: return reply.body
        case 403, 404: return nil
        default: throw .fetch(address: url, reason: "status \(reply.status)")
        }
    }
}
