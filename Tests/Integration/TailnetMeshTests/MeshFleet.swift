import CanonicalJSON
import MusterTestSupport
import Testing

/// A fleet on a mesh: musterd, ada's desk and every node are machines of their own, and know each other by their addresses
/// in the tunnel alone.
struct MeshFleet: Sendable {
    static let service = "service"
    static let desk = "desk"
    static let package = "muster-probe"
    static let port = 8470
    /// Seconds within which a node must reach the service after an upgrade.
    static let confirmSeconds = 5

    let mesh: MeshFixture
    let fleet: FleetFixture

    /// Runs a test with a new fleet whose nodes are enrolled and online.
    static func run(
        nodes: [String],
        outsiders: [String] = [],
        _ test: @Sendable (MeshFleet) async throws -> Void
    ) async throws {
        try await MeshFixture.run([service, desk] + nodes, outsiders: outsiders) { mesh in
            try await run(on: mesh, nodes: nodes, test)
        }
    }

    /// Runs a test with a new fleet on a mesh that is there.
    static func run(
        on mesh: MeshFixture,
        nodes: [String],
        _ test: @Sendable (MeshFleet) async throws -> Void
    ) async throws {
        try await FleetFixture.run(placement: try placement(on: mesh)) { fleet in
            let whole = MeshFleet(mesh: mesh, fleet: fleet)
            try await whole.release("1.0")
            if !nodes.isEmpty { try await fleet.addNodes(nodes) }
            try await test(whole)
        }
    }

    private static func placement(on mesh: MeshFixture) throws -> FleetPlacement {
        let service = try mesh.member(service)
        let desk = try mesh.member(desk).namespace
        var placement = FleetPlacement()
        placement.serviceOptions = ["--tailnet", "wireguard:\(service.interface)"]
        placement.address = "http://\(service.address):\(port)"
        placement.agentSettings = ", \"confirm_seconds\": \(confirmSeconds)"
        placement.command = { who, program, arguments in
            let place =
                who == FleetPlacement.service ? service.namespace : (try? mesh.member(who).namespace) ?? desk
            return place.entering(program, arguments)
        }
        return placement
    }

    // MARK: What operators do

    /// Publishes a version of the package.
    func release(_ version: String, health: String? = nil) async throws {
        let file = try await fleet.build(TestPackage(Self.package, version))
        let check = health.map { ["--health-command", $0] } ?? []
        try await fleet.muster(["release", "add", file] + check + fleet.passphrase)
    }

    /// Asks for a version on nodes and returns the rollout's id.
    func start(_ version: String, on selector: String = "tag:web", _ options: [String] = []) async throws -> String {
        let arguments = [
            "rollout", "start", Self.package, version, "--on", selector, "--stages", "100%", "--bake", "0s",
        ]
        try await fleet.muster(arguments + ["--yes"] + options)
        let list = try await fleet.json(["rollout", "list"])
        guard case .array(let rollouts)? = list["items"], case .string(let id)? = rollouts.first?["id"] else {
            throw RunningProgram.Failure("no rollout in \(list.prettyText)")
        }
        return id
    }

    /// Brings a version to every node of the tag, and sees that dpkg says so.
    func upgrade(to version: String, _ nodes: [String]) async throws {
        let rollout = try await start(version)
        try await fleet.wait(for: rollout) { $0["state"] == "complete" }
        for node in nodes { try await expect(version, on: node) }
    }

    func expect(_ version: String, on node: String) async throws {
        let found = try await fleet.installed(Self.package, on: node)
        #expect(found == version, "on \(node)")
    }

    /// The events of a type, oldest first.
    func events(_ type: String) async throws -> [JSONValue] {
        try await fleet.muster(["events", "--json"]).split(separator: "\n").map {
            try JSONValue.parse(Array($0.utf8), limit: 1 << 20)
        }.filter { $0["type"] == .string(type) }
    }

    /// Waits until something is so.
    func wait(
        _ what: String,
        within seconds: Int = 120,
        until isSo: @Sendable () async throws -> Bool
    ) async throws {
        for _ in 0..<(seconds * 5) {
            if try await isSo() { return }
            try await Task.sleep(for: .milliseconds(200))
        }
        throw RunningProgram.Failure("waited \(seconds) seconds until \(what)")
    }

    /// Asks the service over the tunnel, from a member's machine; patient, for a busy machine, where an answer is expected.
    func ask(
        from member: String,
        _ path: String = "/v1/service",
        timeout: Duration = .seconds(20)
    ) async throws -> ReachAttempt {
        let address = try mesh.member(Self.service).address
        return try await mesh.member(member).namespace.request(
            "GET",
            path,
            at: address,
            port: Self.port,
            timeout: timeout
        )
    }
}
