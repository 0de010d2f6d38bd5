import AsyncHTTPClient
import NIOCore
import NIOHTTP1

/// One request, with the limits its answer must keep.
public struct HTTPRequest: Sendable {
    /// The methods that muster uses.
    public enum Method: String, Sendable {
        case get = "GET"
        case head = "HEAD"
        case post = "POST"
        case put = "PUT"
    }

    /// What is sent after the head.
    public enum Body: Sendable {
        case none
        case bytes([UInt8])
        /// A file's first `length` bytes, read while they are sent.
        case file(FileChunks, length: Int64)
    }

    /// The whole URL.
    public var url: String
    /// The method.
    public var method: Method
    /// Headers in order.
    public var headers: [(String, String)]
    /// The body.
    public var body: Body
    /// Most bytes of the answer's body.
    public var limit: Int
    /// Seconds until the whole answer must be there.
    public var seconds: Int64

    /// A request.
    public init(
        _ url: String,
        method: Method = .get,
        headers: [(String, String)] = [],
        body: Body = .none,
        limit: Int = 262_144,
        seconds: Int64 = 30
    ) {
        self.url = url
        self.method = method
        self.headers = headers
        self.body = body
        self.limit = limit
        self.seconds = seconds
    }

    var message: HTTPClientRequest {
        var message = HTTPClientRequest(url: url)
        message.method = HTTPMethod(rawValue: method.rawValue)
        message.headers = HTTPHeaders(headers)
        switch body {
        case .none: break
        case .bytes(let bytes): message.body = .bytes(ByteBuffer(bytes: bytes))
        case .file(let chunks, let length): message.body = .stream(chunks, length: .known(length))
        }
        return message
    }
}

/// A whole answer.
public struct HTTPReply: Sendable {
    /// The status code.
    public let status: Int
    let headers: HTTPHeaders
    /// The body, within the request's limit.
    public let body: [UInt8]

    /// The first header of that name, compared without regard to case.
    public func header(_ name: String) -> String? { headers.first(name: name) }
}

/// An answer whose body is still on its way.
public struct HTTPStream: Sendable {
    private let response: HTTPClientResponse

    init(_ response: HTTPClientResponse) {
        self.response = response
    }

    /// The status code.
    public var status: Int { Int(response.status.code) }

    /// The first header of that name, compared without regard to case.
    public func header(_ name: String) -> String? { response.headers.first(name: name) }

    /// Calls `receive` with each part of the body in turn, the next one only when it has returned.
    ///
    /// `idleSeconds` bounds the wait for each part; an error of `receive` ends the exchange and is thrown on.
    public func forEach(
        idleSeconds: Int64,
        _ receive: ([UInt8]) async throws -> Void
    ) async throws {
        let parts = PartReader(response.body.makeAsyncIterator())
        while let part = try await Deadline.run(
            seconds: idleSeconds,
            { () async throws(HTTPTransportError) -> [UInt8]? in try await parts.next() }
        ) {
            try await receive(part)
        }
    }
}

/// Holds the iterator of a body, so that each step can run under a deadline of its own.
private actor PartReader {
    private var iterator: HTTPClientResponse.Body.AsyncIterator?

    init(_ iterator: HTTPClientResponse.Body.AsyncIterator) {
        self.iterator = iterator
    }

    func next() async throws(HTTPTransportError) -> [UInt8]? {
        guard var current = iterator else { return nil }
        iterator = nil
        do {
            guard let part = try await current.next(isolation: self) else { return nil }
            iterator = current
            return [UInt8](part.readableBytesView)
        } catch {
            throw HTTPTransportError(error)
        }
    }
}
