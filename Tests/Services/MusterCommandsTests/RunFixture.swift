import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterCommands
import MusterModel
import MusterSystem
import MusterTestSupport
import Testing

/// A fleet with approved commands, nodes, and two operators: ada asks, ben approves.
struct RunFixture: Sendable {
    let workshop: Workshop
    let ada: Person
    let ben: Person

    static func run(_ body: (RunFixture) async throws -> Void) async throws {
        try await Workshop.run { workshop in
            let ada = try await workshop.person("ada")
            let ben = try await workshop.person("ben")
            let keys = try [ada, ben].map { try text($0.home + "/.ssh/id_ed25519.pub") }
            try AtomicFile.write(Array(policy(keys).utf8), to: ada.home + "/policy.yaml")
            try await ada.makesFleet(["--policy", ada.home + "/policy.yaml"])
            let fleet = try ada.folder.fleetID()
            let joined = await ben.muster("fleet", "join", "--service", workshop.address, "--fleet", fleet.text)
            guard joined.status == 0 else { throw Workshop.Failure.command(joined.all) }
            let nodes = try ["web-1", "web-2", "web-3", "db1"].map(node)
            workshop.service.with { $0.nodes = nodes }
            try await body(RunFixture(workshop: workshop, ada: ada, ben: ben))
        }
    }

    private static func text(_ file: String) throws -> String {
        String(decoding: try BoundedFile.read(file, limit: 4096).filter { $0 != 0x0A }, as: UTF8.self)
    }

    private static func policy(_ keys: [String]) -> String {
        """
        operators:
          ada:
            keys: [{public_key: \(keys[0]), expires: 2040-01-01T00:00:00Z}]
          ben:
            keys: [{public_key: \(keys[1]), expires: 2040-01-01T00:00:00Z}]
        commands:
          restart-web:
            description: Restart a service of the web servers
            argv: [/usr/bin/systemctl, restart, "{unit}"]
            parameters: {unit: {type: text, pattern: "nginx|php-fpm"}}
            user: root
            environment_allow: [DEBUG]
          greet:
            argv: [/usr/bin/printf, '%s\\n', "{words}"]
            parameters: {words: {type: text, pattern: "[a-z' ]+", list: 4}}
            user: nobody
            directory: /tmp
            timeout_seconds: 5
            output_bytes: 4096
          set-password:
            argv: [/usr/sbin/chpasswd]
            parameters: {password: {type: text, pattern: ".{8,64}", secret: true}}
            input: "app:{password}\\n"
            user: root
          approve:
            argv: [/bin/true]
            user: nobody
        rules:
          - {name: ada looks after nodes, allow: [enroll, tag-node], who: [ada], nodes: ["*"], tags: ["*"]}
          - {name: web alone, allow: [run], who: [ada], nodes: ["tag:web"], commands: [restart-web, greet, approve]}
          - name: with a second pair of eyes
            allow: [run]
            who: [ada]
            nodes: ["tag:web"]
            commands: [set-password]
            approvals: {count: 1, from: [ada, ben]}

        """
    }

    private static func node(_ name: String) throws -> NodeRecord { try node(name, id: "node-\(name)") }

    private static func node(_ name: String, id: String) throws -> NodeRecord {
        guard let node = NodeID(id), let tag = MusterModel.Tag((name + id).contains("web") ? "web" : "db") else {
            throw Workshop.Failure.command(name)
        }
        return NodeRecord(
            id: node,
            name: name,
            tags: [tag],
            address: "100.64.0.1",
            enrolled: FakeService.time.adding(seconds: -86400),
            lastSeen: FakeService.time.adding(seconds: -30),
            state: "online",
            report: .bookworm(packages: ["hello": "1.0"]),
            packages: [],
            key: NodeKeyRecord(
                since: FakeService.time,
                expires: nil,
                isExempt: false,
                extendedUntil: nil,
                state: "current",
                publicKey: TestKey("node " + name).publicKey
            )
        )
    }

    /// Lets the service show another node.
    func addNode(_ name: String, id: String) throws {
        let node = try Self.node(name, id: id)
        workshop.service.with { $0.nodes.append(node) }
    }

    /// Lets the service call a node by another name; who was called so is gone, unless told.
    func call(_ node: String, _ name: String, keeping: Bool = false) throws {
        let record = try Self.node(name, id: "node-\(node)")
        workshop.service.with { state in
            let kept = state.nodes.filter { $0.id != record.id && (keeping || $0.name != name) }
            state.nodes = kept + [record]
        }
    }

    /// Lets the service show another key of a node, with nothing that anybody signed of it.
    func exchangeKey(of name: String, for key: [UInt8], successions: [NodeKeySuccession] = []) {
        workshop.service.with { state in
            for index in state.nodes.indices where state.nodes[index].name == name {
                var record = NodeKeyRecord(
                    since: FakeService.time,
                    expires: nil,
                    isExempt: false,
                    extendedUntil: nil,
                    state: "current",
                    publicKey: key
                )
                record.successions = successions
                state.nodes[index].key = record
            }
        }
    }

    /// The same, with what a key signed of the change, for a node.
    func exchangeKey(of name: String, for key: [UInt8], signedBy signer: TestKey, for node: String) throws {
        let old = TestKey("node " + name).publicKey
        let fleet = try ada.folder.fleetID()
        guard let id = NodeID("node-\(node)") else { throw Workshop.Failure.command(node) }
        let proof = NodeKeyRequest.proof(fleet: fleet, node: id, oldKey: old, newKey: key).canonicalBytes
        exchangeKey(
            of: name,
            for: key,
            successions: [NodeKeySuccession(oldKey: old, newKey: key, signature: signer.sign(proof))]
        )
    }

    /// What ada sent last.
    func sent() throws -> SignedStatement {
        guard let sent = workshop.service.with({ $0.statements.last }) else {
            throw Workshop.Failure.command("nothing")
        }
        return sent
    }

    func body(_ statement: SignedStatement) throws -> RunBody {
        guard case .run(let body) = statement.statement.body else { throw Workshop.Failure.command("no run") }
        return body
    }

    /// A record of a run, its nodes in these states.
    func record(
        _ statement: SignedStatement,
        _ state: RunRecord.State,
        _ nodes: [(String, RunRecord.NodeState, RunResult?)] = [],
        revision: Int64 = 1,
        missing: String = "",
        reason: String = ""
    ) throws -> RunRecord {
        let parts = try nodes.map { name, state, result in
            guard let id = NodeID("node-\(name)") else { throw Workshop.Failure.command(name) }
            let why = state == .refused ? "definition-changed: the policy says something else" : ""
            return RunRecord.Node(id: id, name: name, state: state, reason: why, result: result)
        }
        return RunRecord(
            id: statement.statement.id,
            state: state,
            reason: reason,
            revision: revision,
            asked: FakeService.time,
            ended: state.isFinal ? FakeService.time.adding(seconds: 3) : nil,
            statement: statement,
            signers: [statement.statement.requester],
            missing: missing,
            counts: Dictionary(parts.map { ($0.state, 1) }, uniquingKeysWith: +),
            nodes: parts
        )
    }

    static func result(_ ending: RunResult.Ending, timedOut: Bool = false, bytes: Int64 = 6) -> RunResult {
        RunResult(
            ending: ending,
            timedOut: timedOut,
            outputBytes: bytes,
            started: FakeService.time,
            milliseconds: 120
        )
    }

    /// What ada is told when she has the web server restarted on these nodes, by a script.
    func restartWeb(on selector: String, _ more: [String] = []) async -> Person.Outcome {
        await ada.muster(
            ["run", "restart-web", "--on", selector, "--yes", "--no-wait"] + more + ["--", "unit=nginx"]
        )
    }

    /// A run that waits for ben.
    func waiting() async throws -> SignedStatement {
        try AtomicFile.write(Array("correct horse\n".utf8), to: ada.home + "/secret")
        let asked = await ada.muster(
            [
                "run", "set-password", "--on", "tag:web", "--secret-file", "password=secret", "--yes", "--no-wait",
                "--in", "2h", "--reason", "rotation", "--accept-new-node-keys",
            ]
        )
        #expect(asked.status == 0, "\(asked.all)")
        let statement = try sent()
        try offer(statement)
        return statement
    }

    /// Lets a statement wait for ben at the service.
    func offer(_ statement: SignedStatement) throws {
        let waiting = try record(statement, .waiting, missing: "1 approval: ask ben")
        workshop.service.with { $0.runs = [waiting] }
    }

    /// Lets nodes have written this, in order.
    func wrote(_ pieces: [(String, RunStream, String)]) throws {
        let chunks = try pieces.enumerated().map { index, piece in
            guard let node = NodeID("node-\(piece.0)") else { throw Workshop.Failure.command(piece.0) }
            return RunOutput.Chunk(
                sequence: Int64(index + 1),
                node: node,
                offset: 0,
                piece: RunUpdate.Piece(stream: piece.1, milliseconds: Int64(index), data: Array(piece.2.utf8))
            )
        }
        workshop.service.with { $0.output = chunks }
    }
}

extension ConfigurationFolder {
    /// The fleet that is configured.
    fileprivate func fleetID() throws -> FleetID {
        try JSONFields(JSONValue.parse(BoundedFile.read(path + "/fleet.json", limit: 4096), limit: 4096)).name("fleet")
    }
}
