import CanonicalJSON

/// How a node finds out whether a new version works.
///
/// Signed as part of the release, or configured on the node.
public struct HealthCheck: Hashable, Sendable {
    /// What is tried.
    public enum Probe: Hashable, Sendable {
        /// Runs a program without a shell; exit status 0 passes. `MUSTER_ROOT` names the node's package root.
        case command([String])
        /// Connects to a TCP port of an address.
        case tcp(host: String, port: Int)
        /// Fetches a URL (`http://…`); any 2xx status passes.
        case http(String)
    }

    /// What is tried.
    public let probe: Probe
    /// Seconds one attempt may take, 1 to 300.
    public let timeoutSeconds: Int
    /// How often it is tried, a second apart, before it counts as failed, 1 to 60.
    public let attempts: Int

    /// A check.
    public init(probe: Probe, timeoutSeconds: Int = 10, attempts: Int = 3) {
        self.probe = probe
        self.timeoutSeconds = timeoutSeconds
        self.attempts = attempts
    }

    /// Reads a check: `{"command": […]}`, `{"tcp": {"host", "port"}}` or `{"http": URL}`, with its limits.
    public init(_ fields: JSONFields) throws(JSONError) {
        if fields.has("command") {
            let arguments = try fields.strings("command", limit: 64)
            guard let program = arguments.first, !program.isEmpty else { throw fields.error("command", "is empty") }
            probe = .command(arguments)
        } else if fields.has("tcp") {
            let tcp = try fields.fields("tcp")
            probe = .tcp(host: try tcp.string("host", limit: 255), port: Int(try tcp.integer("port", in: 1...65535)))
        } else {
            probe = .http(try fields.string("http", limit: 2048))
        }
        timeoutSeconds = Int(
            try fields.optional("timeout_seconds") { fields, key throws(JSONError) in
                try fields.integer(key, in: 1...300)
            } ?? 10
        )
        attempts = Int(
            try fields.optional("attempts") { fields, key throws(JSONError) in
                try fields.integer(key, in: 1...60)
            } ?? 3
        )
    }

    /// The check as it is signed.
    public var json: JSONValue {
        var object: JSONObject = ["timeout_seconds": JSONValue(timeoutSeconds), "attempts": JSONValue(attempts)]
        switch probe {
        case .command(let arguments): object["command"] = .array(arguments.map { .string($0) })
        case .tcp(let host, let port): object["tcp"] = ["host": .string(host), "port": JSONValue(port)]
        case .http(let url): object["http"] = .string(url)
        }
        return .object(object)
    }
}
