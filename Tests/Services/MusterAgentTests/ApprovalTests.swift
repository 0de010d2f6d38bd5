import MusterAPI
import MusterAgent
import MusterClient
import MusterModel
import MusterSystem
import MusterTestSupport
import Synchronization
import Testing

/// A node that joins by approval: it shows a code and asks again until an operator has made up their mind.
@Suite struct ApprovalTests {
    private final class Shown: Sendable {
        let codes = Mutex<[String]>([])
        let links = Mutex<[String?]>([])
        let waits = Mutex<[Duration]>([])
    }

    private static func enroll(
        _ fleet: FleetSimulator,
        _ service: LoopbackFleet,
        _ folder: TemporaryFolder,
        _ shown: Shown
    ) async throws -> Enrollment {
        try await LoopbackServer.run {
            service.answer($0)
        } _: { server in
            let client = try MusterClient(service: server.address)
            var clock = AgentClock.system
            clock.sleep = { wait throws(CancellationError) in shown.waits.withLock { $0.append(wait) } }
            let enroller = Enroller(paths: AgentPaths(folder.path), client: client, clock: clock)
            let result: Result<Enrollment, any Error>
            do {
                result = .success(
                    try await enroller.enroll(fleet: fleet.fleet, name: "web-1") { code, link in
                        shown.codes.withLock { $0.append(code) }
                        shown.links.withLock { $0.append(link) }
                    }
                )
            } catch {
                result = .failure(error)
            }
            await client.close()
            return try result.get()
        }
    }

    /// Pending twice with a code that is not that of the node's key, then enrolled by a statement for `key`, or for the
    /// node's own, with `id`, or the one that its key gives it.
    private static func service(
        _ fleet: FleetSimulator,
        by signer: String = "ada",
        key: [UInt8]? = nil,
        id: NodeID? = nil
    ) -> LoopbackFleet {
        LoopbackFleet(fleet) { request, count in
            let shown = count == 1 ? EnrollmentCode.text(of: request.nodeKey) : "K7QD-42MX"
            let link = "http://100.64.0.1/enroll/" + shown
            guard count > 2 else {
                return .pending(code: "K7QD-42MX", retrySeconds: count == 1 ? 5 : 3600, link: link)
            }
            guard request.secret == nil, let node = id ?? NodeID(joiningWith: request.nodeKey),
                let tag = MusterModel.Tag("web")
            else { throw FleetSimulator.Failure.impossible }
            let body = EnrollBody(tags: [tag], proof: .nodeKey(key ?? request.nodeKey))
            return .enrolled(
                node: node,
                name: "web-1",
                statement: try fleet.statement(.enroll(body), by: [signer])
            )
        }
    }

    @Test("a node that is approved shows its code once, waits as told within reason, and joins with the tags")
    func approved() async throws {
        let fleet = try FleetSimulator(time: WallClock.now())
        let folder = try TemporaryFolder()
        let shown = Shown()
        let service = Self.service(fleet)
        let enrollment = try await Self.enroll(fleet, service, folder, shown)
        #expect(enrollment.tags.map(\.text) == ["web"])
        #expect(try Enrollment.load(AgentPaths(folder.path)) == enrollment)
        let key = service.state.withLock { $0.nodeKey }
        #expect(shown.codes.withLock { $0 } == [EnrollmentCode.text(of: key)], "whatever the service calls it")
        #expect(shown.links.withLock { $0 } == ["http://100.64.0.1/enroll/" + EnrollmentCode.text(of: key)])
        #expect(shown.waits.withLock { $0 } == [.seconds(5), .seconds(60)])
        #expect(service.state.withLock { $0.enrollRequests } == 3)
    }

    @Test("an approval of another node's key, or by nobody in the policy, is refused and nothing is kept")
    func notApproved() async throws {
        let fleet = try FleetSimulator(time: WallClock.now())
        let services = [
            Self.service(fleet, key: [UInt8](repeating: 1, count: 32)), Self.service(fleet, by: "eve"),
        ]
        for service in services {
            let folder = try TemporaryFolder()
            let error = await #expect(throws: EnrollmentError.self) {
                try await Self.enroll(fleet, service, folder, Shown())
            }
            #expect(error?.message.contains("refused") == true)
            #expect(try Enrollment.load(AgentPaths(folder.path)) == nil)
        }
    }

    @Test("a service that gives the node another node's id is refused: nothing signed for that one is done here")
    func othersID() async throws {
        let fleet = try FleetSimulator(time: WallClock.now())
        let folder = try TemporaryFolder()
        let other = try #require(NodeID(joiningWith: TestKey("another node").publicKey))
        let error = await #expect(throws: EnrollmentError.self) {
            try await Self.enroll(fleet, Self.service(fleet, id: other), folder, Shown())
        }
        #expect(error?.message.contains("not that of its key") == true, "\(String(describing: error))")
        #expect(try Enrollment.load(AgentPaths(folder.path)) == nil)
    }
}
