import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel

/// The fleet service's `/v1` protocol, one method a call.
///
/// It believes nothing: what the answers claim about releases, policy and statements is checked by whoever asked. Methods
/// for nodes are in `NodeCalls.swift`, those for operators in `OperatorCalls.swift`.
public final class MusterClient: Sendable {
    /// Where the service is.
    public let service: ServiceAddress
    /// How it is reached; shared by those who fetch other things from it.
    public let transport: HTTPTransport

    /// A client over a transport that the caller closes.
    public init(service: ServiceAddress, transport: HTTPTransport) {
        self.service = service
        self.transport = transport
    }

    /// A client with a transport of its own; `close()` it.
    public convenience init(
        service: String,
        options: HTTPTransport.Options = HTTPTransport.Options()
    ) throws(ClientError) {
        guard let address = ServiceAddress(service) else {
            throw .unreachable(service: service, why: "the address is not of the form http://HOST:PORT or https://HOST")
        }
        do {
            self.init(service: address, transport: try HTTPTransport(options))
        } catch {
            throw .unreachable(service: service, why: error.description)
        }
    }

    /// Closes every connection.
    public func close() async {
        await transport.close()
    }

    // MARK: - One exchange

    struct Call: Sendable {
        var method: HTTPRequest.Method = .get
        var path: String
        var query: [(String, String)] = []
        var session: String?
        var body: HTTPRequest.Body = .none
        var bodyType = "application/json"
        var limit = 262_144
        var seconds: Int64 = 30

        var name: String { "\(method.rawValue) \(path)" }
    }

    /// Sends a call; a status other than 2xx is thrown as the problem that it describes.
    func reply(_ call: Call) async throws(ClientError) -> HTTPReply {
        var headers = [("Accept", "application/json"), ("User-Agent", "muster")]
        if let session = call.session { headers.append(("Authorization", "Bearer " + session)) }
        if case .none = call.body {} else { headers.append(("Content-Type", call.bodyType)) }
        let request = HTTPRequest(
            service.url(call.path, query: call.query),
            method: call.method,
            headers: headers,
            body: call.body,
            limit: max(call.limit, Problem.byteLimit),
            seconds: call.seconds
        )
        let reply: HTTPReply
        do {
            reply = try await transport.exchange(request)
        } catch .tooLarge(let limit) {
            throw .malformed(call: call.name, why: "it is longer than \(limit) bytes")
        } catch {
            throw .unreachable(service: service.text, why: error.description)
        }
        guard (200...299).contains(reply.status) else { throw .problem(Self.problem(reply)) }
        return reply
    }

    /// Sends a call and reads the body of its answer.
    func body<Reply: Body>(_ call: Call, as type: Reply.Type = Reply.self) async throws(ClientError) -> Reply {
        var call = call
        call.limit = Reply.byteLimit
        return try Self.parse(try await reply(call), call.name)
    }

    static func parse<Reply: Body>(_ reply: HTTPReply, _ call: String) throws(ClientError) -> Reply {
        do {
            return try Reply.parse(reply.body)
        } catch {
            throw .malformed(call: call, why: error.description)
        }
    }

    /// The problem document, or one made of the status where something else stands between us and the service.
    private static func problem(_ reply: HTTPReply) -> Problem {
        if let problem = try? Problem.parse(reply.body), !problem.title.isEmpty { return problem }
        return Problem(
            status: reply.status,
            code: "http-\(reply.status)",
            title: "HTTP status \(reply.status)",
            detail: "without a reason; is this the address of a musterd?"
        )
    }
}

extension HTTPRequest.Body {
    static func json(_ body: some Body) -> Self { .bytes(body.json.jsonBytes) }
}
