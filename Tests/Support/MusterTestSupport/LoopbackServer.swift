import NIOCore
import NIOHTTP1
import NIOPosix

/// An HTTP server on a loopback port that answers as a test says, well or badly.
public struct LoopbackServer: Sendable {
    /// A request, whole.
    public struct Request: Sendable {
        /// The method, such as `GET`.
        public let method: String
        /// The path without its query, as it was sent.
        public let path: String
        /// The query, empty where there is none.
        public let query: String
        /// The header fields, names in lower case.
        public let headers: [String: String]
        /// The body.
        public let body: [UInt8]

        /// A request.
        public init(method: String, path: String, query: String, headers: [String: String], body: [UInt8]) {
            self.method = method
            self.path = path
            self.query = query
            self.headers = headers
            self.body = body
        }
    }

    /// An answer.
    public struct Reply: Sendable {
        /// How the body is sent.
        public enum Body: Sendable {
            /// All at once, with its length.
            case bytes([UInt8])
            /// With a length that promises more than comes before the connection is closed.
            case cutOff([UInt8], promised: Int)
            /// The bytes again and again, without a length, until the other side gives up.
            case endless([UInt8])
            /// A few bytes at a time with a pause between.
            case slow([UInt8], piece: Int, pause: Duration)
        }

        /// The HTTP status.
        public var status: Int
        /// Further header fields.
        public var headers: [String: String]
        /// The body.
        public var body: Body

        /// An answer.
        public init(_ status: Int, _ body: Body = .bytes([]), headers: [String: String] = [:]) {
            self.status = status
            self.body = body
            self.headers = headers
        }

        /// A file, or the part of it that a `Range` header asks for.
        public static func file(_ bytes: [UInt8], for request: Request) -> Reply {
            guard let range = request.headers["range"], range.hasPrefix("bytes="), range.hasSuffix("-"),
                let start = Int(range.dropFirst(6).dropLast()), start < bytes.count
            else { return Reply(200, .bytes(bytes)) }
            return Reply(
                206,
                .bytes(Array(bytes[start...])),
                headers: ["Content-Range": "bytes \(start)-\(bytes.count - 1)/\(bytes.count)"]
            )
        }
    }

    private typealias Connection = NIOAsyncChannel<HTTPServerRequestPart, HTTPPart<HTTPResponseHead, ByteBuffer>>

    /// The port that was given.
    public let port: Int
    /// `http://127.0.0.1:PORT`.
    public var address: String { "http://127.0.0.1:\(port)" }

    /// Runs `body` while a server answers by `answer`, and ends the server with every connection before it returns.
    ///
    /// It listens on a Unix socket instead where a path for one is given.
    public static func run<Result: Sendable>(
        unixSocket: String? = nil,
        answer: @escaping @Sendable (Request) async -> Reply,
        _ body: (LoopbackServer) async throws -> Result
    ) async throws -> Result {
        let bootstrap = ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        let prepare: @Sendable (any Channel) -> EventLoopFuture<Connection> = { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                try channel.pipeline.syncOperations.addHandler(PlainResponses())
                return try Connection(wrappingChannelSynchronously: channel)
            }
        }
        let listener =
            if let unixSocket {
                try await bootstrap.bind(unixDomainSocketPath: unixSocket, childChannelInitializer: prepare)
            } else {
                try await bootstrap.serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                    .bind(host: "127.0.0.1", port: 0, childChannelInitializer: prepare)
            }
        let server = LoopbackServer(port: listener.channel.localAddress?.port ?? 0)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await withThrowingDiscardingTaskGroup { connections in
                    try await listener.executeThenClose { inbound in
                        for try await connection in inbound {
                            connections.addTask { try? await serve(connection, answer) }
                        }
                    }
                }
            }
            defer { group.cancelAll() }
            return try await body(server)
        }
    }

    private static func serve(
        _ connection: Connection,
        _ answer: @escaping @Sendable (Request) async -> Reply
    ) async throws {
        try await connection.executeThenClose { inbound, outbound in
            var head: HTTPRequestHead?
            var content: [UInt8] = []
            for try await part in inbound {
                switch part {
                case .head(let received):
                    head = received
                    content = []
                case .body(let buffer):
                    content.append(contentsOf: buffer.readableBytesView)
                case .end:
                    guard let request = head.map({ self.request($0, content) }) else { return }
                    guard try await send(await answer(request), to: outbound, request) else { return }
                }
            }
        }
    }

    private static func request(_ head: HTTPRequestHead, _ content: [UInt8]) -> Request {
        let parts = head.uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        return Request(
            method: head.method.rawValue,
            path: String(parts.first ?? ""),
            query: parts.count > 1 ? String(parts[1]) : "",
            headers: Dictionary(head.headers.map { ($0.name.lowercased(), $0.value) }) { first, _ in first },
            body: content
        )
    }

    /// Whether the connection stays open.
    private static func send(
        _ reply: Reply,
        to outbound: NIOAsyncChannelOutboundWriter<HTTPPart<HTTPResponseHead, ByteBuffer>>,
        _ request: Request
    ) async throws -> Bool {
        var head = HTTPResponseHead(version: .http1_1, status: HTTPResponseStatus(statusCode: reply.status))
        for (name, value) in reply.headers { head.headers.add(name: name, value: value) }
        func piece(_ bytes: some Collection<UInt8>) async throws {
            try await outbound.write(.body(ByteBuffer(bytes: bytes)))
        }
        switch reply.body {
        case .bytes(let bytes):
            head.headers.add(name: "Content-Length", value: String(bytes.count))
            try await outbound.write(.head(head))
            if request.method != "HEAD", !bytes.isEmpty { try await piece(bytes) }
            try await outbound.write(.end(nil))
            return true
        case .cutOff(let bytes, let promised):
            head.headers.add(name: "Content-Length", value: String(promised))
            try await outbound.write(.head(head))
            try await piece(bytes)
            return false
        case .endless(let bytes):
            head.headers.add(name: "Transfer-Encoding", value: "chunked")
            try await outbound.write(.head(head))
            while !Task.isCancelled { try await piece(bytes) }
            return false
        case .slow(let bytes, let size, let pause):
            head.headers.add(name: "Content-Length", value: String(bytes.count))
            try await outbound.write(.head(head))
            for start in stride(from: 0, to: bytes.count, by: max(1, size)) {
                try await piece(bytes[start..<min(bytes.count, start + size)])
                try await Task.sleep(for: pause)
            }
            try await outbound.write(.end(nil))
            return true
        }
    }
}

/// Lets response parts carry plain buffers.
private final class PlainResponses: ChannelOutboundHandler, Sendable {
    typealias OutboundIn = HTTPPart<HTTPResponseHead, ByteBuffer>
    typealias OutboundOut = HTTPServerResponsePart

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head): context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .body(let buffer): context.write(wrapOutboundOut(.body(.byteBuffer(buffer))), promise: promise)
        case .end(let trailers): context.write(wrapOutboundOut(.end(trailers)), promise: promise)
        }
    }
}
