import MusterAPI

/// Why a call to the fleet service brought nothing.
public enum ClientError: Error, Hashable, Sendable, CustomStringConvertible {
    /// No answer came: refused, timed out, not resolved, no TLS, or the connection broke off.
    case unreachable(service: String, why: String)
    /// The service answered that it refuses, and why.
    case problem(Problem)
    /// An answer came that is not what the protocol promises; `call` is method and path.
    case malformed(call: String, why: String)

    /// The refusal's short name, such as `unknown-node`; nil where there was no refusal.
    public var problemCode: String? {
        if case .problem(let problem) = self { problem.code } else { nil }
    }

    /// The refusal's HTTP status; nil where there was no refusal.
    public var status: Int? {
        if case .problem(let problem) = self { problem.status } else { nil }
    }

    /// What failed, on one line.
    public var description: String {
        switch self {
        case .unreachable(let service, let why): "cannot reach \(service): \(why)"
        case .problem(let problem): "the service refuses: \(problem)"
        case .malformed(let call, let why): "the service's answer to \(call) makes no sense: \(why)"
        }
    }
}
