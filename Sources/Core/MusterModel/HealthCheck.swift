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
        /// Asks systemd whether a unit is active, such as `nginx.service`; where systemd does not run the machine, there is
        /// nothing to ask, and it passes.
        case unit(String)
        /// Something that a later version signed and this one cannot do: the check fails, naming its members.
        case unknown(JSONObject)
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

    /// Reads a check: `{"command": […]}`, `{"tcp": {"host", "port"}}`, `{"http": URL}` or `{"unit": NAME}`, with its limits.
    ///
    /// A check of another kind is read too, so that a release that has one can be shown; it never passes.
    public init(_ fields: JSONFields) throws(JSONError) {
        if fields.has("command") {
            let arguments = try fields.strings("command", limit: 64)
            guard let program = arguments.first, !program.isEmpty else { throw fields.error("command", "is empty") }
            probe = .command(arguments)
        } else if fields.has("tcp") {
            let tcp = try fields.fields("tcp")
            probe = .tcp(host: try tcp.string("host", limit: 255), port: Int(try tcp.integer("port", in: 1...65535)))
        } else if fields.has("http") {
            probe = .http(try fields.string("http", limit: 2048))
        } else if fields.has("unit") {
            let unit = try fields.string("unit", limit: 256)
            guard Self.isUnit(unit) else { throw fields.error("unit", "is no name of a systemd unit") }
            probe = .unit(unit)
        } else {
            probe = .unknown(fields.object)
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
        case .unit(let name): object["unit"] = .string(name)
        case .unknown(let members): object = members
        }
        return .object(object)
    }

    /// What a check of a kind that is not known here asks for, by its members' names.
    public static func kind(of unknown: JSONObject) -> String {
        let names = unknown.members.map(\.key).filter { $0 != "timeout_seconds" && $0 != "attempts" }
        return names.isEmpty ? "nothing" : names.joined(separator: ", ")
    }

    /// Whether it can name a unit, and nothing else to systemctl: no option, no pattern, no path.
    static func isUnit(_ name: String) -> Bool {
        guard let first = name.utf8.first, first != UInt8(ascii: "-"), name.contains(".") else { return false }
        return name.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || ":-_.\\@".utf8.contains(byte)
        }
    }
}
