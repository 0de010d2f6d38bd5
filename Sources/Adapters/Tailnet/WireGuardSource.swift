// Plain WireGuard: the kernel (or wireguard-go) drops every packet whose inner source address is not among the sender's
// allowed IPs, so the address of a packet that came out of the tunnel names the peer, by its key.
//
// Parties: whoever configures the interface of this machine, and we. Files: none but the names file (`WireGuardNames`).
// Never `wg show … dump`: its first line is the private key. A peer whose allowed IPs are a whole network stands for many
// machines, so only addresses that are given to a peer alone, as /32 or /128, name a node.
import ByteCoding
import Glibc
import MusterSystem

/// Asks `wg` which peer an address belongs to.
public struct WireGuardSource: TailnetSource {
    /// The names that signed names files give to peers' keys, right now; none where there is no file that can be trusted.
    public typealias Names = @Sendable () async -> [String: String]

    private let interface: String
    private let names: Names
    private let tool: Tool

    /// Runs `wg` with these arguments and returns what it prints.
    typealias Tool = @Sendable ([String]) async throws(TailnetError) -> String

    /// The peers of an interface.
    public init(interface: String, names: @escaping Names = { [:] }) {
        self.init(interface: interface, names: names, tool: Self.run)
    }

    init(interface: String, names: @escaping Names, tool: @escaping Tool) {
        self.interface = interface
        self.names = names
        self.tool = tool
    }

    /// Whether this can be the name of an interface: at most 15 bytes, and nothing that `wg` takes for something else.
    public static func isInterface(_ name: String) -> Bool {
        guard (1...15).contains(name.utf8.count), name != "all", name != "interfaces" else { return false }
        return name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "="), UInt8(ascii: "+"),
                UInt8(ascii: "."), UInt8(ascii: "-"):
                true
            default: false
            }
        } && !name.hasPrefix("-")
    }

    /// The peer that an address is given to, or this machine where it is its own.
    public func whois(_ address: String) async throws(TailnetError) -> TailnetIdentity? {
        guard let asked = IPAddress(address) else { return nil }
        let peers = try WireGuardPeers(allowed: try await show("allowed-ips"))
        guard let key = peers.owner(of: asked) else {
            let own = try await own()
            return own.addresses.contains { IPAddress($0) == asked } ? own : nil
        }
        return identity(key, peers, [:], await names())
    }

    /// Every peer that has an address of its own.
    public func identities() async throws(TailnetError) -> [TailnetIdentity] {
        let peers = try WireGuardPeers(allowed: try await show("allowed-ips"))
        let handshakes = try WireGuardPeers.handshakes(try await show("latest-handshakes"))
        let names = await names()
        return peers.keys.filter { !peers.addresses(of: $0).isEmpty }.map { identity($0, peers, handshakes, names) }
    }

    /// This machine: its key on the interface, and the addresses of the interface.
    public func own() async throws(TailnetError) -> TailnetIdentity {
        let text = try await show("public-key")
        guard let key = WireGuardPeers.key(text.filter { $0 != "\n" }) else {
            throw TailnetError("the WireGuard interface \(interface) has no key: configure it first")
        }
        let addresses: [String]
        do throws(SystemError) {
            addresses = try InterfaceAddresses.of(interface)
        } catch {
            throw TailnetError("\(error)")
        }
        guard !addresses.isEmpty else {
            throw TailnetError("the WireGuard interface \(interface) has no address: 'ip address add' one first")
        }
        return TailnetIdentity(id: "wireguard-key:" + key, key: key, addresses: addresses)
    }

    private func identity(
        _ key: String,
        _ peers: WireGuardPeers,
        _ handshakes: [String: UTCTime],
        _ names: [String: String]
    ) -> TailnetIdentity {
        let name = names[key]
        return TailnetIdentity(
            id: name.map { "wireguard:" + $0 } ?? "wireguard-key:" + key,
            key: key,
            name: name ?? "",
            addresses: peers.addresses(of: key).map(\.description),
            lastHandshake: handshakes[key]
        )
    }

    private func show(_ what: String) async throws(TailnetError) -> String {
        try await tool(["show", interface, what])
    }

    private static func run(_ arguments: [String]) async throws(TailnetError) -> String {
        let path = Command.plainEnvironment["PATH"] ?? ""
        guard let program = Command.find("wg", path: path) else {
            throw TailnetError("there is no program 'wg' in \(path): install wireguard-tools")
        }
        let result: CommandResult
        do {
            result = try await Command(program, arguments).run(timeout: .seconds(5), outputLimit: 16 << 20)
        } catch {
            throw TailnetError("\(error)")
        }
        guard result.succeeded, !result.truncated else {
            let why = result.errorText.split(separator: "\n").first.map { ": \($0)" } ?? ""
            throw TailnetError("'wg \(arguments.joined(separator: " "))' \(result.endingText)\(why)")
        }
        return result.outputText
    }
}
