import NIOCore
import NIOPosix
import Synchronization

/// A TCP server that is no sshd: says something, or nothing, and waits or hangs up; counts who is there.
final class UnhelpfulServer: Sendable {
    private final class Presence: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer

        let server: UnhelpfulServer

        init(_ server: UnhelpfulServer) {
            self.server = server
        }

        func channelActive(context: ChannelHandlerContext) {
            // Who was closed before this one came is counted out first: on one loop, in its next round.
            let channel = context.channel
            context.eventLoop.scheduleTask(in: .milliseconds(20)) { [server] in
                guard channel.isActive else { return }
                server.count(1)
                channel.closeFuture.whenComplete { _ in server.count(-1) }
            }
            if !server.greeting.isEmpty {
                context.writeAndFlush(NIOAny(ByteBuffer(string: server.greeting)), promise: nil)
            }
            if server.hangsUp { context.close(promise: nil) }
        }
    }

    private let greeting: String
    private let hangsUp: Bool
    private let counts = Mutex((now: 0, most: 0))

    private init(_ greeting: String, hangsUp: Bool) {
        self.greeting = greeting
        self.hangsUp = hangsUp
    }

    /// The most connections that were open at once.
    var most: Int { counts.withLock { $0.most } }

    private func count(_ change: Int) {
        counts.withLock { counts in
            counts.now += change
            counts.most = max(counts.most, counts.now)
        }
    }

    /// Does something with such a server and its port.
    static func with<Value: Sendable>(
        greeting: String = "",
        hangsUp: Bool = false,
        _ work: (UnhelpfulServer, UInt16) async throws -> Value
    ) async throws -> Value {
        let server = UnhelpfulServer(greeting, hangsUp: hangsUp)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton.any())
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Presence(server))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = UInt16(channel.localAddress?.port ?? 0)
        do {
            let value = try await work(server, port)
            try await channel.close()
            return value
        } catch {
            try? await channel.close()
            throw error
        }
    }
}
