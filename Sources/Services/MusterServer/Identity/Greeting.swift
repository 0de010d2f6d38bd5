import Tailnet

/// What musterd says once it listens: its name, and the one line to run on each node.
struct Greeting {
    /// Where it listens.
    let urls: [String]
    /// This machine on the tailnet; nil without one.
    let own: TailnetIdentity?
    /// The fleet that nodes can join; nil before there is one.
    let fleet: String?

    /// The address to tell nodes: the tailnet name where there is one, else the first address that is not loopback.
    var url: String? {
        let outside = urls.first { url in
            guard let host = Self.host(url) else { return false }
            return IPAddress(host)?.isLoopback == false
        }
        guard let outside, let own, !own.name.isEmpty, let host = Self.host(outside) else {
            return outside ?? urls.first
        }
        guard own.addresses.contains(where: { IPAddress($0) == IPAddress(host) }) else { return outside }
        let scheme = outside.prefix { $0 != ":" }
        let port = outside.split(separator: ":").last ?? ""
        return "\(scheme)://\(own.name):\(port)"
    }

    /// The lines.
    var lines: [String] {
        var lines = urls.map { "musterd: listening on \($0)" }
        if let own {
            let name = own.name.isEmpty ? own.addresses.first ?? own.id : own.name
            lines.append("musterd: on the tailnet this is \(name)")
        }
        guard let url else { return lines }
        if let fleet {
            lines.append("musterd: on each node run: muster-agent enroll --service \(url) --fleet \(fleet)")
            lines.append("musterd: and approve the code it shows, or give it a token of 'muster enroll token' instead")
        } else {
            lines.append("musterd: there is no fleet yet; make one with: muster fleet init --service \(url)")
        }
        return lines
    }

    private static func host(_ url: String) -> String? {
        guard let start = url.firstRange(of: "://") else { return nil }
        let rest = url[start.upperBound...]
        if rest.hasPrefix("[") { return String(rest.dropFirst().prefix { $0 != "]" }) }
        return String(rest.prefix { $0 != ":" && $0 != "/" })
    }
}
