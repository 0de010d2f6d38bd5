import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel
import MusterTestSupport
import SignatureVerification
import Testing

@Suite("Bad input to the service")
struct BadInputTests {
    private struct Case: Sendable {
        let name: String
        let method: HTTPRequest.Method
        let path: String
        var body: [UInt8] = []
        var token: String?
        let status: Int
    }

    @Test("Each malformed, oversized, unknown or unauthorised request gets its own problem document")
    func table() async throws {
        try await ServerFixture.run { fixture in
            let session = try await fixture.login()
            let secret = try await fixture.token(uses: 1, by: session)
            let node = try await fixture.node("alpha", secret: secret)
            let huge = [UInt8](repeating: UInt8(ascii: " "), count: 300_000)
            let digest = String(repeating: "a", count: 64)
            let cases = [
                Case(name: "no such path", method: .get, path: "/v1/nothing", status: 404),
                Case(name: "no such path at all", method: .get, path: "/../etc/passwd", status: 404),
                Case(name: "wrong method", method: .get, path: "/v1/fleet", status: 405),
                Case(name: "post to a list", method: .post, path: "/v1/nodes", token: session, status: 405),
                Case(name: "no session", method: .get, path: "/v1/nodes", status: 401),
                Case(
                    name: "node's session for operators",
                    method: .get,
                    path: "/v1/nodes",
                    token: node.session,
                    status: 401
                ),
                Case(
                    name: "operator's session for nodes",
                    method: .get,
                    path: "/v1/node/manifest",
                    token: session,
                    status: 401
                ),
                Case(
                    name: "altered session",
                    method: .get,
                    path: "/v1/nodes",
                    token: String(session.dropLast(1)) + (session.hasSuffix("_") ? "-" : "_"),
                    status: 401
                ),
                Case(name: "garbage session", method: .get, path: "/v1/nodes", token: "a.b.c", status: 401),
                Case(
                    name: "report is not JSON",
                    method: .post,
                    path: "/v1/node/report",
                    body: Array("{".utf8),
                    token: node.session,
                    status: 400
                ),
                Case(
                    name: "report is a list",
                    method: .post,
                    path: "/v1/node/report",
                    body: Array("[]".utf8),
                    token: node.session,
                    status: 400
                ),
                Case(
                    name: "report has a float",
                    method: .post,
                    path: "/v1/node/report",
                    body: Array(#"{"agent_version":1.5}"#.utf8),
                    token: node.session,
                    status: 400
                ),
                Case(
                    name: "report is too long",
                    method: .post,
                    path: "/v1/node/report",
                    body: huge,
                    token: node.session,
                    status: 413
                ),
                Case(
                    name: "unknown node",
                    method: .post,
                    path: "/v1/node/challenge",
                    body: Array(#"{"node":"node-x"}"#.utf8),
                    status: 401
                ),
                Case(
                    name: "not a node id",
                    method: .post,
                    path: "/v1/node/challenge",
                    body: Array(#"{"node":"../x"}"#.utf8),
                    status: 400
                ),
                Case(
                    name: "duplicate keys",
                    method: .post,
                    path: "/v1/node/challenge",
                    body: Array(#"{"node":"a","node":"b"}"#.utf8),
                    status: 400
                ),
                Case(name: "enroll is too long", method: .post, path: "/v1/enroll", body: huge, status: 413),
                Case(name: "enroll is empty", method: .post, path: "/v1/enroll", status: 400),
                Case(
                    name: "secret is not hex",
                    method: .get,
                    path: "/v1/enroll/statement?secret_sha256=XYZ",
                    status: 400
                ),
                Case(
                    name: "no such secret",
                    method: .get,
                    path: "/v1/enroll/statement?secret_sha256=\(digest)",
                    status: 404
                ),
                Case(
                    name: "wait is not a number",
                    method: .get,
                    path: "/v1/node/manifest?wait=soon",
                    token: node.session,
                    status: 400
                ),
                Case(
                    name: "after is negative",
                    method: .get,
                    path: "/v1/node/manifest?after=-1",
                    token: node.session,
                    status: 400
                ),
                Case(
                    name: "no such rollout",
                    method: .get,
                    path: "/v1/rollouts/\(digest.prefix(32))",
                    token: session,
                    status: 404
                ),
                Case(name: "not a rollout id", method: .get, path: "/v1/rollouts/x", token: session, status: 404),
                Case(
                    name: "statement is garbage",
                    method: .post,
                    path: "/v1/statements",
                    body: Array("{}".utf8),
                    token: session,
                    status: 400
                ),
                Case(
                    name: "no such role",
                    method: .post,
                    path: "/v1/repository/metadata/nobody",
                    body: Array("{}".utf8),
                    token: session,
                    status: 404
                ),
                Case(
                    name: "metadata is garbage",
                    method: .post,
                    path: "/v1/repository/metadata/releases",
                    body: Array("{}".utf8),
                    token: session,
                    status: 400
                ),
                Case(
                    name: "file path escapes",
                    method: .put,
                    path: "/v1/repository/files/\(digest)?path=releases/../../x",
                    body: [1],
                    token: session,
                    status: 400
                ),
                Case(
                    name: "file is another one",
                    method: .put,
                    path: "/v1/repository/files/\(digest)?path=releases/x.deb",
                    body: [1],
                    token: session,
                    status: 422
                ),
                Case(name: "no such metadata", method: .get, path: "/tuf/metadata/9.root.json", status: 404),
                Case(name: "no such target", method: .get, path: "/tuf/targets/releases/\(digest).x.deb", status: 404),
                Case(
                    name: "escaping target",
                    method: .get,
                    path: "/tuf/targets/..%2F..%2Fetc/\(digest).passwd",
                    status: 404
                ),
            ]
            for item in cases {
                var headers: [(String, String)] = []
                if let token = item.token { headers.append(("Authorization", "Bearer " + token)) }
                let request = HTTPRequest(
                    fixture.url + item.path,
                    method: item.method,
                    headers: headers,
                    body: item.method == .get ? .none : .bytes(item.body)
                )
                let reply = try await fixture.client.transport.exchange(request)
                #expect(reply.status == item.status, "\(item.name)")
                #expect(reply.header("content-type") == Problem.mediaType, "\(item.name)")
                #expect((try? Problem.parse(reply.body))?.status == item.status, "\(item.name)")
            }
        }
    }

    @Test("Members that the service does not know are ignored in a report")
    func unknownMembers() async throws {
        try await ServerFixture.run { fixture in
            let session = try await fixture.login()
            let secret = try await fixture.token(uses: 1, by: session)
            let node = try await fixture.node("alpha", secret: secret)
            let body = #"{"agent_version": "9.9", "mood": {"colour": "green"}, "packages": {"hello": "1"}}"#
            let reply = try await fixture.client.transport.exchange(
                HTTPRequest(
                    fixture.url + "/v1/node/report",
                    method: .post,
                    headers: [("Authorization", "Bearer " + node.session)],
                    body: .bytes(Array(body.utf8))
                )
            )
            #expect(reply.status == 200)
            let record = try await fixture.client.node(node.id, session: session)
            #expect(record.report?.agentVersion == "9.9")
            #expect(record.state == "online")
        }
    }

    @Test("An upgrade for 10,000 named nodes is not too long, and its own limit is kept")
    func longStatement() async throws {
        try await ServerFixture.run { fixture in
            let session = try await fixture.login()
            let path = try await fixture.release("2.0", counter: 2, by: session)
            let nodes = try (0..<NodeSelector.limit).map { index in
                NodeSelector.node(
                    try #require(NodeID("node-" + Hex.encode(Digest.sha256(Array("\(index)".utf8))).prefix(32)))
                )
            }
            let statement = try fixture.fleet.statement(
                .upgrade(try fixture.fleet.upgrade(to: path, nodes: nodes)),
                seed: "many",
                issued: fixture.clock.now()
            )
            #expect(statement.json.jsonBytes.count > 400_000)
            let reply = try await fixture.client.send(statement, session: session)
            #expect(reply.id == statement.statement.id)
            let tooLong = HTTPRequest(
                fixture.url + "/v1/statements",
                method: .post,
                headers: [("Authorization", "Bearer " + session)],
                body: .bytes([UInt8](repeating: UInt8(ascii: " "), count: SignedStatement.byteLimit + 1))
            )
            #expect(try await fixture.client.transport.exchange(tooLong).status == 413)
        }
    }

    @Test("A session, a challenge and an operator's key end when their time is over, and a challenge is good once")
    func endings() async throws {
        try await ServerFixture.run { fixture in
            let session = try await fixture.login()
            let challenge = try await fixture.client.operatorChallenge().challenge
            let proof = OperatorSessionRequest.proof(fleet: fixture.fleet.fleet, challenge: challenge).canonicalBytes
            let signature = try FleetSimulator.operatorKey("ada").sshSignature(of: proof, namespace: "login@muster")
            let request = OperatorSessionRequest(challenge: challenge, signature: signature)
            _ = try await fixture.client.operatorSession(request)
            await expectProblem(401) { _ = try await fixture.client.operatorSession(request) }
            let stranger = try FleetSimulator.operatorKey("eve").sshSignature(of: proof, namespace: "login@muster")
            await expectProblem(401) {
                _ = try await fixture.client.operatorSession(
                    OperatorSessionRequest(challenge: challenge, signature: stranger)
                )
            }
            let otherPurpose = try FleetSimulator.operatorKey("ada").sshSignature(
                of: proof,
                namespace: "upgrade@muster"
            )
            await expectProblem(401) {
                _ = try await fixture.client.operatorSession(
                    OperatorSessionRequest(challenge: challenge, signature: otherPurpose)
                )
            }
            fixture.clock.advance(seconds: 3601)
            await expectProblem(401) { _ = try await fixture.client.nodes(session: session) }
        }
    }

    @Test("A node's session from another address than the node's is refused with 403")
    func otherAddress() async throws {
        try await ServerFixture.run { fixture in
            let session = try await fixture.login()
            let secret = try await fixture.token(uses: 1, by: session)
            let node = try await fixture.node("alpha", secret: secret)
            let elsewhere = try HTTPTransport(HTTPTransport.Options(localAddress: "127.0.0.9"))
            let reply = try await elsewhere.exchange(
                HTTPRequest(
                    fixture.url + "/v1/node/manifest",
                    headers: [("Authorization", "Bearer " + node.session)]
                )
            )
            await elsewhere.close()
            #expect(reply.status == 403)
        }
    }
}
