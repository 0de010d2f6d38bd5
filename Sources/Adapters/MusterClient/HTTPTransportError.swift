import AsyncHTTPClient
import NIOCore
import NIOPosix

/// Why an exchange brought no answer.
public enum HTTPTransportError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The deadline passed.
    case timedOut(seconds: Int64)
    /// The answer is longer than allowed.
    case tooLarge(limit: Int)
    /// The task that waited was cancelled.
    case cancelled
    /// Anything else, in words.
    case failed(String)

    init(_ error: any Error) {
        switch error {
        case let error as HTTPTransportError: self = error
        case is CancellationError: self = .cancelled
        case let error as HTTPClientError where error == .cancelled: self = .cancelled
        case let error as HTTPClientError: self = .failed(Self.words(error))
        case let error as NIOConnectionError: self = .failed(Self.words(error))
        case let error as IOError: self = .failed(Self.words(error))
        default: self = .failed("\(error)")
        }
    }

    /// What went wrong, on one line.
    public var description: String {
        switch self {
        case .timedOut(let seconds): "no answer within \(seconds) s"
        case .tooLarge(let limit): "the answer is longer than \(limit) bytes"
        case .cancelled: "cancelled"
        case .failed(let why): why
        }
    }

    private static func words(_ error: HTTPClientError) -> String {
        switch error {
        case .connectTimeout: "connecting timed out"
        case .remoteConnectionClosed: "the connection was closed before the answer came"
        case .deadlineExceeded: "timed out"
        default: error.shortDescription
        }
    }

    private static func words(_ error: NIOConnectionError) -> String {
        guard let failure = error.connectionErrors.first else {
            if let lookup = error.dnsAError ?? error.dnsAAAAError { return "cannot resolve \(error.host): \(lookup)" }
            return "cannot resolve \(error.host)"
        }
        guard let cause = failure.error as? IOError else { return "\(failure.error)" }
        return words(cause)
    }

    private static func words(_ error: IOError) -> String {
        switch error.errnoCode {
        case 111: "connection refused"
        case 113: "no route to host"
        case 101: "network is unreachable"
        case 104: "connection reset"
        case 110: "connecting timed out"
        case 99: "cannot use the local address asked for"
        default: "\(error)"
        }
    }
}
