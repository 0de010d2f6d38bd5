import ByteCoding
import CanonicalJSON
import Logging
import MusterAPI
import MusterIdentity
import MusterModel
import MusterStore
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import Synchronization
import Tailnet
import Testing

@testable import MusterServer

extension TailnetIdentityTests {
    /// A tailnet that tests change.
    final class Peers: TailnetSource {
        private let peers = Mutex([String: TailnetIdentity]())

        func put(_ address: String, _ id: String, key: String) {
            peers.withLock { $0[address] = TailnetIdentity(id: id, key: key, addresses: [address]) }
        }

        func whois(_ address: String) async throws(TailnetError) -> TailnetIdentity? { peers.withLock { $0[address] } }
        func identities() async throws(TailnetError) -> [TailnetIdentity] { peers.withLock { Array($0.values) } }
        func own() async throws(TailnetError) -> TailnetIdentity {
            TailnetIdentity(id: "wireguard-key:me", key: "me", addresses: ["127.0.0.1"])
        }
    }

    @Suite("Bindings to WireGuard peers")
    struct WireGuardIdentityTests {
        private static func key(_ number: UInt8) -> String { Base64.encode([UInt8](repeating: number, count: 32)) }

        private static func stored(_ id: String?, key: String = "", address: String = "10.0.0.2") throws -> StoredNode {
            let statement = try #require(StatementID(String(repeating: "0", count: 32)))
            return StoredNode(
                id: try #require(NodeID("node-1")),
                name: "one",
                keyLife: NodeKeyLife(
                    key: [UInt8](repeating: 1, count: 32),
                    since: UTCTime(seconds: 1),
                    lifetime: 86400
                ),
                address: address,
                tags: [],
                statement: statement,
                enrolled: UTCTime(seconds: 1),
                tailnet: id.map { TailnetBinding(id: $0, key: key, name: "", keySince: nil) }
            )
        }

        private static func judge(_ node: StoredNode, _ id: String, key: String, _ address: String) -> String {
            let caller = TailnetIdentity(id: id, key: key, addresses: [address])
            return switch NodeBinding.judge(node, caller, from: address) {
            case .same: "same"
            case .rotated: "rotated"
            case .rekeyed: "rekeyed"
            case .identified: "identified"
            case .other: "other"
            }
        }

        @Test("Who is bound to what: every kind of identity against every other")
        func judgement() throws {
            let stable = try Self.stored("n1", key: "k1")
            #expect(Self.judge(stable, "n1", key: "k1", "10.0.0.2") == "same")
            #expect(Self.judge(stable, "n1", key: "k1", "10.0.0.3") == "same")
            #expect(Self.judge(stable, "n1", key: "k2", "10.0.0.2") == "rotated")
            #expect(Self.judge(stable, "n2", key: "k1", "10.0.0.2") == "other")
            #expect(Self.judge(stable, "address:10.0.0.2", key: "", "10.0.0.2") == "other")
            #expect(Self.judge(stable, "wireguard-key:k1", key: "k1", "10.0.0.2") == "other")
            let keyed = try Self.stored("wireguard-key:k1", key: "k1")
            #expect(Self.judge(keyed, "wireguard-key:k1", key: "k1", "10.0.0.9") == "same")
            #expect(Self.judge(keyed, "wireguard-key:k2", key: "k2", "10.0.0.2") == "rekeyed")
            #expect(Self.judge(keyed, "wireguard-key:k2", key: "k2", "10.0.0.9") == "other")
            #expect(Self.judge(keyed, "wireguard:web", key: "k1", "10.0.0.9") == "identified")
            #expect(Self.judge(keyed, "wireguard:web", key: "k2", "10.0.0.9") == "other")
            #expect(Self.judge(keyed, "n1", key: "k1", "10.0.0.2") == "other")
            let named = try Self.stored("wireguard:web", key: "k1")
            #expect(Self.judge(named, "wireguard:web", key: "k2", "10.0.0.9") == "rotated")
            #expect(
                Self.judge(named, "wireguard-key:k1", key: "k1", "10.0.0.2") == "other",
                "its name is not verified now"
            )
            #expect(Self.judge(named, "wireguard:db", key: "k1", "10.0.0.2") == "other")
            for early in [try Self.stored(nil), try Self.stored("address:10.0.0.2")] {
                #expect(Self.judge(early, "address:10.0.0.2", key: "", "10.0.0.2") == "same")
                #expect(Self.judge(early, "address:10.0.0.3", key: "", "10.0.0.3") == "other")
                #expect(Self.judge(early, "n1", key: "k1", "10.0.0.2") == "identified")
                #expect(Self.judge(early, "n1", key: "k1", "10.0.0.3") == "other")
            }
        }

        @Test("A peer's new key at its old address is followed once the node key is proved, and never before")
        func rekeyed() async throws {
            let peers = Peers()
            peers.put("127.0.64.5", "wireguard-key:k1", key: "k1")
            peers.put("127.0.64.6", "wireguard-key:k6", key: "k6")
            func onTailnet(_ options: inout ServeOptions) {
                TailnetFleet.asTailnet(&options)
                options.tailnetSource = peers
            }
            try await ServerFixture.run(options: onTailnet) { fixture in
                try await LocalAPIStandIn.run { unused async throws in
                    let fleet = TailnetFleet(fixture: fixture, tailscaled: unused)
                    let secret = try await fixture.token(uses: 1, by: try await fixture.login())
                    let node = try await fleet.node("alpha", at: "127.0.64.5", secret: secret)
                    let old = try await node.session(from: "127.0.64.5")
                    let begin = ContinuousClock.now
                    let poll = Task { try await node.manifest(old, from: "127.0.64.5", wait: 55) }
                    while fixture.server.service.nodePolls.count == 0 { try await Task.sleep(for: .milliseconds(10)) }
                    peers.put("127.0.64.5", "wireguard-key:k2", key: "k2")
                    await expectProblem(401) { _ = try await poll.value }
                    #expect(ContinuousClock.now - begin < .seconds(40), "the poll ends by itself")
                    await expectProblem(401) { try await node.report(old, from: "127.0.64.5") }
                    await expectProblem(401) { _ = try await node.session(from: "127.0.64.5", by: TestKey("thief")) }
                    await expectProblem(403) { _ = try await node.session(from: "127.0.64.6") }
                    #expect(try await fleet.events("node-tailnet-key-rotated").isEmpty)
                    let new = try await node.session(from: "127.0.64.5")
                    try await node.report(new, from: "127.0.64.5")
                    let events = try await fleet.events("node-tailnet-key-rotated")
                    #expect(events.map { $0.detail["new"]?["key"] } == ["k2"])
                    // The old key lives on at another address: what it opened is over all the same.
                    peers.put("127.0.64.9", "wireguard-key:k1", key: "k1")
                    await expectProblem(403) { try await node.report(old, from: "127.0.64.9") }
                }
            }
        }

        // MARK: - The signed names file

        private static func names(_ version: Int, _ names: [String: String]) -> [UInt8] {
            let peers = names.sorted { $0.key < $1.key }.map { "{\"name\": \"\($0.value)\", \"key\": \"\($0.key)\"}" }
            let text = """
                {"_type": "tailnet-names", "version": \(version), "peers": [\(peers.joined(separator: ", "))]}

                """
            return Array(text.utf8)
        }

        private static func sign(
            _ bytes: [UInt8],
            by name: String = "ada",
            namespace: String = WireGuardNames.namespace
        ) throws -> [UInt8] {
            let blob = try FleetSimulator.operatorKey(name).sshSignature(of: bytes, namespace: namespace)
            return Array(try SSHSignature(blob: blob).armored.utf8)
        }

        private static func current(_ file: String, _ fixture: ServerFixture) async -> [String: String] {
            var log = Logger(label: "test", factory: { StreamLogHandler.standardError(label: $0) })
            log.logLevel = .critical
            let names = SignedNames(file: file, log: log)
            let service = fixture.server.service
            await names.attach(service.repository, service.store) { fixture.clock.now() }
            return await names.current()
        }

        /// A fleet whose rule lets ada name peers.
        private static func run(_ body: (ServerFixture, TemporaryFolder) async throws -> Void) async throws {
            var fleet = try FleetSimulator(time: WallClock.now())
            guard case .object(var document) = fleet.policyDocument, case .array(var rules)? = document["rules"] else {
                throw FleetSimulator.Failure.impossible
            }
            rules.append(["name": "names", "allow": ["tailnet-names"], "who": ["ada"], "nodes": ["*"]])
            document["rules"] = .array(rules)
            fleet.policyDocument = .object(document)
            try fleet.publish()
            let folder = try TemporaryFolder()
            try await ServerFixture.run(in: folder.file("service"), withFleet: true, as: fleet) { fixture in
                try await body(fixture, folder)
            }
        }

        @Test(
            "Names count only signed by an operator whom a rule allows it, over exactly these bytes, for this purpose"
        )
        func signedNames() async throws {
            try await Self.run { fixture, folder async throws in
                let bytes = Self.names(2, [Self.key(1): "web-1"])
                let file = try folder.write("names.json", bytes)
                #expect(await Self.current(file, fixture).isEmpty, "no signature")
                try folder.write("names.json.sig", try Self.sign(bytes, by: "ben"))
                #expect(await Self.current(file, fixture).isEmpty, "ben may not")
                try folder.write("names.json.sig", try Self.sign(bytes, by: "eve"))
                #expect(await Self.current(file, fixture).isEmpty, "eve is nobody")
                try folder.write("names.json.sig", try Self.sign(bytes, namespace: "login@muster"))
                #expect(await Self.current(file, fixture).isEmpty, "another purpose")
                try folder.write("names.json.sig", try Self.sign(Self.names(2, [Self.key(2): "web-1"])))
                #expect(await Self.current(file, fixture).isEmpty, "other bytes")
                try folder.write("names.json.sig", Array("nonsense".utf8))
                #expect(await Self.current(file, fixture).isEmpty, "no signature at all")
                try folder.write("names.json.sig", try Self.sign(bytes))
                #expect(await Self.current(file, fixture) == [Self.key(1): "web-1"])
            }
        }

        @Test("An older names file, or another of the same version, is refused after a restart too")
        func namesRollback() async throws {
            try await Self.run { fixture, folder async throws in
                func offer(_ bytes: [UInt8]) async throws -> [String: String] {
                    let file = try folder.write("names.json", bytes)
                    try folder.write("names.json.sig", try Self.sign(bytes))
                    return await Self.current(file, fixture)
                }
                let second = Self.names(2, [Self.key(1): "web-1"])
                let third = Self.names(3, [Self.key(2): "web-1"])
                #expect(try await offer(second).count == 1)
                #expect(try await offer(third) == [Self.key(2): "web-1"])
                #expect(try await offer(second).isEmpty)
                #expect(try await offer(Self.names(3, [Self.key(4): "web-1"])).isEmpty)
                #expect(try await offer(third).count == 1)
            }
        }

        @Test("While the policy has expired the names that were verified before go on, and no others")
        func expiredPolicy() async throws {
            try await Self.run { fixture, folder async throws in
                let bytes = Self.names(2, [Self.key(1): "web-1"])
                let file = try folder.write("names.json", bytes)
                try folder.write("names.json.sig", try Self.sign(bytes))
                #expect(await Self.current(file, fixture).count == 1)
                fixture.clock.advance(seconds: 366 * 86400)
                #expect(await Self.current(file, fixture).count == 1)
                let other = Self.names(3, [Self.key(2): "web-1"])
                try folder.write("names.json", other)
                try folder.write("names.json.sig", try Self.sign(other))
                #expect(await Self.current(file, fixture).isEmpty)
            }
        }
    }
}
