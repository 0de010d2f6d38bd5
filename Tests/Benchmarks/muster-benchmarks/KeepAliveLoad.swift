import NIOCore
import NIOPosix

/// Sends prepared requests over connections that stay open, one request at a time on each.
///
/// The loader is as cheap as can be: it looks only for the status and the length of each answer, so that the second core
/// is enough to keep one server core busy.
struct KeepAliveLoad {
    /// Whole requests, head and body, of each connection, in order.
    let sequences: [[[UInt8]]]
    /// How often each sequence is sent.
    let rounds: Int
    /// The status that every answer must have.
    let status: String

    /// The same request again and again, one for each connection.
    init(requests: [[UInt8]], rounds: Int, status: String) {
        self.init(sequences: requests.map { [$0] }, rounds: rounds, status: status)
    }

    /// One sequence for each connection, sent `rounds` times.
    init(sequences: [[[UInt8]]], rounds: Int = 1, status: String) {
        self.sequences = sequences
        self.rounds = rounds
        self.status = status
    }

    /// Runs the load against a loopback port; throws when an answer is not the expected one.
    func run(port: Int) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for sequence in sequences {
                group.addTask { try await connection(sequence, port) }
            }
            try await group.waitForAll()
        }
    }

    private func connection(_ sequence: [[UInt8]], _ port: Int) async throws {
        let rounds = rounds
        let status = status
        let (channel, done) = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .channelOption(.socketOption(.tcp_nodelay), value: 1)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    let done = channel.eventLoop.makePromise(of: Void.self)
                    let requests = sequence.map { ByteBuffer(bytes: $0) }
                    let handler = Exchange(requests, rounds * requests.count, Array(status.utf8), done)
                    try channel.pipeline.syncOperations.addHandler(handler)
                    return (channel, done.futureResult)
                }
            }
        try await done.get()
        try await channel.close()
    }
}

/// What may go wrong with an answer.
enum LoadError: Error {
    case unexpected(String)
    case closed
}

private final class Exchange: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let requests: [ByteBuffer]
    private var sent = 0
    private var remaining: Int
    private let status: [UInt8]
    private let done: EventLoopPromise<Void>
    private var received: [UInt8] = []

    init(_ requests: [ByteBuffer], _ count: Int, _ status: [UInt8], _ done: EventLoopPromise<Void>) {
        self.requests = requests
        self.remaining = count
        self.status = status
        self.done = done
    }

    func channelActive(context: ChannelHandlerContext) {
        send(context)
    }

    private func send(_ context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(requests[sent % requests.count]), promise: nil)
        sent += 1
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received.append(contentsOf: unwrapInboundIn(data).readableBytesView)
        guard let length = answerLength(), received.count >= length else { return }
        guard received.dropFirst("HTTP/1.1 ".utf8.count).starts(with: status) else {
            done.fail(LoadError.unexpected(String(decoding: received.prefix(400), as: UTF8.self)))
            context.close(promise: nil)
            return
        }
        received.removeFirst(length)
        remaining -= 1
        if remaining == 0 {
            done.succeed()
        } else {
            send(context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        done.fail(LoadError.closed)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        done.fail(error)
        context.close(promise: nil)
    }

    /// Bytes of the whole answer, once its head is there.
    private func answerLength() -> Int? {
        guard let end = received.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let head = String(decoding: received[..<end.lowerBound], as: UTF8.self).lowercased()
        guard let field = head.split(separator: "\r\n").first(where: { $0.hasPrefix("content-length:") }) else {
            return end.upperBound
        }
        let value = field.dropFirst("content-length:".count).drop { $0 == " " }
        return end.upperBound + (Int(value) ?? 0)
    }
}
