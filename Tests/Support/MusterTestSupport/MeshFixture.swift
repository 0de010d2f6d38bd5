import Glibc
import MusterSystem
import Synchronization

/// A tailnet of its own for one test: a network namespace for each member, cables from all of them to one switch, and
/// WireGuard (`wireguard-go`) between the members.
///
/// ```
///   member: eth0 192.0.2.N ---- to-MEMBER  bridge0 (the switch, a namespace too)  to-OUTSIDER ---- 192.0.2.M outsider
///           mw…  100.64.0.N      (WireGuard inside UDP, port 51820, over eth0)
/// ```
/// An outsider has a cable and no WireGuard. The namespaces have no names and no way out, so any number of meshes can
/// exist side by side; see `NetworkNamespace` for their end.
public actor MeshFixture {
    /// One machine of the mesh.
    public struct Member: Sendable {
        /// Its name.
        public let name: String
        /// Its namespace.
        public let namespace: NetworkNamespace
        /// Its address on the cable.
        public let underlay: String
        /// Its address in the tunnel; an outsider has none, but this is the one that would be its.
        public let address: String
        /// Its WireGuard interface, unique on the machine: wireguard-go's control sockets know no namespaces.
        public let interface: String
    }

    /// WireGuard's UDP port, the same everywhere.
    public static let port = 51820

    /// Where everything is that the mesh writes: keys, configurations, logs, captures.
    public nonisolated let folder: TemporaryFolder
    /// The switch; everything between two machines passes its interface `bridge0`.
    public nonisolated let underlay: NetworkNamespace
    private nonisolated let members: [String: Member]
    private nonisolated let peers: [String]
    private var publicKeys: [String: String] = [:]
    private var running: [RunningProgram] = []
    private var captures: [PacketCapture] = []

    /// Runs a test in a new mesh of `peers`, who can all reach each other, beside `outsiders`.
    public static func run(
        _ peers: [String],
        outsiders: [String] = [],
        _ test: @Sendable (MeshFixture) async throws -> Void
    ) async throws {
        let mesh = try await MeshFixture(peers, outsiders)
        do {
            try await mesh.build()
            try await test(mesh)
        } catch {
            await mesh.end()
            throw error
        }
        await mesh.end()
    }

    private init(_ peers: [String], _ outsiders: [String]) async throws {
        self.peers = peers
        let folder = try TemporaryFolder()
        self.folder = folder
        var namespaces: [NetworkNamespace] = []
        do {
            let underlay = try await NetworkNamespace("the switch", log: folder.file("switch.log"))
            self.underlay = underlay
            namespaces.append(underlay)
            var members: [String: Member] = [:]
            for (index, name) in (peers + outsiders).enumerated() {
                let interface = Self.interfaceName()
                let namespace = try await NetworkNamespace(
                    name,
                    log: folder.file(name + ".log"),
                    leftovers: [Self.controlSocket(interface)]
                )
                namespaces.append(namespace)
                members[name] = Member(
                    name: name,
                    namespace: namespace,
                    underlay: "192.0.2.\(index + 1)",
                    address: "100.64.0.\(index + 1)",
                    interface: interface
                )
            }
            self.members = members
        } catch {
            for namespace in namespaces { await namespace.end() }
            throw error
        }
    }

    /// The member of that name.
    public nonisolated func member(_ name: String) throws -> Member {
        guard let member = members[name] else { throw RunningProgram.Failure("the mesh has no member \(name)") }
        return member
    }

    /// Ends everything, last first.
    private func end() async {
        for capture in captures { await capture.end() }
        for program in running.reversed() { await program.end() }
        await withTaskGroup(of: Void.self) { group in
            for namespace in members.values.map(\.namespace) + [underlay] { group.addTask { await namespace.end() } }
        }
    }

    /// Writes down everything that passes the switch from now on.
    public func capture() async throws -> PacketCapture {
        try await capture("bridge0", in: underlay)
    }

    /// Writes down everything that passes an interface from now on; the end of the mesh ends it at the latest.
    public func capture(_ interface: String, in namespace: NetworkNamespace) async throws -> PacketCapture {
        let file = folder.file("capture-\(captures.count + 1).pcap")
        let capture = try await PacketCapture(interface, in: namespace, file: file)
        captures.append(capture)
        return capture
    }

    // MARK: Making it

    private func build() async throws {
        try await underlay.configure(["link add name bridge0 type bridge mcast_snooping 0", "link set bridge0 up"])
        for member in members.values { try await connect(member) }
        for name in peers { try await startWireGuard(try member(name)) }
        for name in peers {
            let member = try member(name)
            let file = folder.file("\(name).conf")
            let key = String(decoding: try BoundedFile.read(keyFile(name), limit: 64).dropLast(), as: UTF8.self)
            var text = "[Interface]\nPrivateKey = \(key)\nListenPort = \(Self.port)\n"
            for other in peers where other != name { text += try section(try self.member(other)) }
            try AtomicFile.write(Array(text.utf8), to: file, mode: 0o600)
            try await member.namespace.succeed("/usr/bin/wg", ["setconf", member.interface, file])
            try await member.namespace.configure([
                "address add \(member.address)/24 dev \(member.interface)", "link set \(member.interface) mtu 1420 up",
            ])
        }
    }

    private func connect(_ member: Member) async throws {
        try await underlay.configure([
            "link add \(Self.plug(member)) type veth peer name eth0 netns \(member.namespace.keeperProcess)",
            "link set \(Self.plug(member)) master bridge0 up",
        ])
        try await member.namespace.configure([
            "address add \(member.underlay)/24 dev eth0", "link set eth0 up",
        ])
    }

    private func startWireGuard(_ member: Member) async throws {
        try await makeKey(member.name)
        let log = folder.file("\(member.name)-wireguard.log")
        let program = try member.namespace.start("/usr/bin/wireguard-go", ["-f", member.interface], log: log)
        running.append(program)
        for _ in 0..<6000 {
            if access(Self.controlSocket(member.interface), F_OK) == 0 { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw RunningProgram.Failure("wireguard-go does not start: \(program.output)")
    }

    private func section(_ peer: Member) throws -> String {
        """
        [Peer]
        PublicKey = \(try publicKey(peer.name))
        AllowedIPs = \(peer.address)/32
        Endpoint = \(peer.underlay):\(Self.port)
        PersistentKeepalive = 1

        """
    }

    private static func plug(_ member: Member) -> String { "to-\(member.name)" }

    private static func controlSocket(_ interface: String) -> String { "/var/run/wireguard/\(interface).sock" }

    private static let interfaces = Atomic<Int>(0)

    /// At most 15 bytes.
    private static func interfaceName() -> String {
        "mw\(getpid())x\(interfaces.wrappingAdd(1, ordering: .relaxed).newValue)"
    }

    // MARK: Keys and peers

    /// The WireGuard public key of a member, base64.
    public func publicKey(_ name: String) throws -> String {
        guard let key = publicKeys[name] else { throw RunningProgram.Failure("\(name) has no WireGuard key") }
        return key
    }

    /// Gives a member a new WireGuard key and tells every other one, who forget the old one at once.
    ///
    /// Returns the old and the new public key.
    @discardableResult
    public func rotateKey(of name: String) async throws -> (old: String, new: String) {
        let old = try publicKey(name)
        try await makeKey(name)
        let member = try member(name)
        try await member.namespace.succeed("/usr/bin/wg", ["set", member.interface, "private-key", keyFile(name)])
        for other in peers where other != name {
            try await change(old, to: publicKey(name), of: member, at: try self.member(other))
        }
        return (old, try publicKey(name))
    }

    /// Makes one member forget another one: nothing passes between the two.
    public func remove(_ name: String, from other: String) async throws {
        let member = try member(other)
        let options = ["peer", try publicKey(name), "remove"]
        try await member.namespace.succeed("/usr/bin/wg", ["set", member.interface] + options)
    }

    /// Tells one member of another one, after `remove`.
    public func add(_ name: String, to other: String) async throws {
        let member = try member(other)
        let options = try Self.options(publicKey(name), try self.member(name))
        try await member.namespace.succeed("/usr/bin/wg", ["set", member.interface] + options)
    }

    private func change(_ old: String, to new: String, of peer: Member, at other: Member) async throws {
        let options = ["peer", old, "remove"] + Self.options(new, peer)
        try await other.namespace.succeed("/usr/bin/wg", ["set", other.interface] + options)
    }

    private static func options(_ key: String, _ peer: Member) -> [String] {
        [
            "peer", key, "allowed-ips", "\(peer.address)/32", "endpoint", "\(peer.underlay):\(port)",
            "persistent-keepalive", "1",
        ]
    }

    private func makeKey(_ name: String) async throws {
        let key = try await Self.wg(["genkey"], input: [])
        publicKeys[name] = String(decoding: try await Self.wg(["pubkey"], input: key).dropLast(), as: UTF8.self)
        try AtomicFile.write(key, to: keyFile(name), mode: 0o600)
    }

    private func keyFile(_ name: String) -> String { folder.file("\(name).key") }

    private static func wg(_ arguments: [String], input: [UInt8]) async throws -> [UInt8] {
        let result = try await Command("/usr/bin/wg", arguments, input: input).run(timeout: .seconds(120))
        guard result.succeeded else { throw RunningProgram.Failure("wg \(arguments) \(result.endingText)") }
        return result.output
    }

    // MARK: Cables

    /// Pulls a member's cable out of the switch.
    public func unplug(_ name: String) async throws {
        try await underlay.configure(["link set \(Self.plug(try member(name))) down"])
    }

    /// Puts it back.
    public func plug(_ name: String) async throws {
        try await underlay.configure(["link set \(Self.plug(try member(name))) up"])
    }
}
