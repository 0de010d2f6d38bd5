import ByteCoding
import MusterSystem
import OpenSSHFormats

/// One request and its reply over an agent's socket: both have their length in front.
struct SSHAgentExchange {
    let path: String

    private static let header = 4

    /// Sends a message and returns the one that comes back, with one deadline for all of it.
    func run(_ payload: [UInt8], timeout: Duration) async throws(SigningError) -> [UInt8] {
        var writer = ByteWriter()
        writer.string(payload)
        guard writer.bytes.count <= SSHAgentRequest.byteLimit else {
            throw SigningError(.malformed, "a message of \(payload.count) bytes is too long for an ssh-agent")
        }
        let received: [UInt8]
        do {
            received = try await UnixSocketExchange.run(
                path,
                request: writer.bytes,
                limit: Self.header + SSHAgentRequest.byteLimit,
                timeout: timeout,
                isComplete: { Self.isComplete($0) }
            )
        } catch {
            throw failure(error)
        }
        if let length = Self.length(received) {
            guard Self.isPossible(length) else {
                throw SigningError(.malformed, "the ssh-agent at \(path) answered with \(length) bytes")
            }
            let reply = received.dropFirst(Self.header).prefix(length)
            if reply.count == length { return Array(reply) }
        }
        throw SigningError(.unavailable, "the ssh-agent at \(path) closed the connection without an answer")
    }

    /// Whether the reply is whole, or can be none.
    private static func isComplete(_ received: [UInt8]) -> Bool {
        guard let length = length(received) else { return false }
        return !isPossible(length) || received.count - header >= length
    }

    private static func length(_ received: [UInt8]) -> Int? {
        guard received.count >= header else { return nil }
        return received.prefix(header).reduce(0) { $0 << 8 | Int($1) }
    }

    private static func isPossible(_ length: Int) -> Bool { (1...SSHAgentRequest.byteLimit).contains(length) }

    private func failure(_ error: SystemError) -> SigningError {
        if error.isTimeout {
            return SigningError(
                .timedOut,
                "the ssh-agent at \(path) did not answer in time: does it wait for a touch or a question?"
            )
        }
        guard error.code != 0 else { return SigningError(.malformed, "the ssh-agent is not right: \(error)") }
        let reason = SystemError("reach the ssh-agent at", path, errno: error.code)
        return SigningError(.unavailable, "\(reason): is it running, and does SSH_AUTH_SOCK name its socket?")
    }
}
