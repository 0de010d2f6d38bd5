import ByteCoding
import CanonicalJSON
import MusterModel
import MusterTestSupport
import OpenSSHFormats
import Testing

@Suite struct SSHStatementTests {
    private let time = UTCTime(seconds: 1_700_000_000)

    private func statement(_ body: StatementBody) throws -> Statement {
        Statement(
            fleet: try #require(FleetID(digest: [UInt8](repeating: 1, count: 32))),
            id: try #require(StatementID(random: [UInt8](repeating: 2, count: 16))),
            requester: try #require(OperatorName("ada")),
            issued: time,
            expires: time.adding(seconds: 600),
            body: body
        )
    }

    private func login(_ command: String? = "uptime", _ reason: String? = "ticket 7") throws -> StatementBody {
        .sshCertificate(
            SSHCertificateBody(
                publicKey: try TestKey("ephemeral").ssh,
                user: try #require(AccountName("deploy")),
                nodes: [.every, .tag(try #require(NodeTag("web")))],
                seconds: 3600,
                command: command,
                reason: reason
            )
        )
    }

    private func revocations() throws -> [StatementBody] {
        let subjects: [RevokeBody.Subject] = [
            .serials([1, 2, UInt64(Int64.max)]), .keyID("ada/laptop/1"), .person(try #require(OperatorName("ada"))),
            .node(try #require(NodeID("n1"))), .publicKey(try TestKey("lost").ssh),
        ]
        return subjects.map { .revoke(RevokeBody(subject: $0, reason: "laptop lost")) }
    }

    @Test("statements are read as they were written, and are signed in a namespace of their own")
    func roundTrips() throws {
        for body in try [login(), login(nil, nil)] + revocations() {
            let statement = try statement(body)
            #expect(
                try Statement(JSONFields(JSONValue.parse(statement.json.canonicalBytes, limit: 100_000))) == statement
            )
        }
        #expect(StatementType.sshCertificate.namespace == "ssh-certificate@muster")
        #expect(StatementType.revoke.namespace == "revoke@muster")
        #expect(try login().type == .sshCertificate)
    }

    private func refused(_ body: StatementBody, _ changes: JSONObject) throws -> Bool {
        guard case .object(var object) = try statement(body).json else { return false }
        for change in changes.members { object[change.key] = change.value }
        return (try? Statement(JSONFields(.object(object)))) == nil
    }

    @Test("a login for a day and more, for no node, for an odd account or with control characters is refused")
    func refusesLogins() throws {
        let changes: [JSONObject] = [
            ["seconds": 86401], ["seconds": 29], ["seconds": -1], ["nodes": []], ["nodes": ["web"]], ["user": "*"],
            ["user": "a,b"], ["user": "a b"], ["user": ""], ["user": "-a"], ["command": ""], ["command": "a\nb"],
            ["reason": "a\u{0}"], ["public_key": "ssh-dss AAAA"], ["public_key": .null],
        ]
        for change in changes { #expect(try refused(login(), change), "\(change)") }
        #expect(try !refused(login(), ["seconds": 86400, "user": "DOMAIN.user-1@example_x+y"]))
    }

    @Test("a revocation names exactly one thing, and why")
    func refusesRevocations() throws {
        let serials = try revocations()[0]
        let changes: [JSONObject] = [
            ["serials": .null], ["node": "n1"], ["serials": []], ["serials": [0]], ["serials": [-1]],
            ["serials": ["1"]],
            ["reason": ""], ["reason": .null], ["serials": .array((0...10_000).map { .integer($0 + 1) })],
        ]
        for change in changes { #expect(try refused(serials, change), "\(change)") }
        #expect(try refused(revocations()[1], ["key_id": ""]))
        #expect(try refused(revocations()[4], ["public_key": "x"]))
    }

    @Test("whatever a damaged statement is read as is read again from what is written")
    func survivesMutation() throws {
        for body in try [login()] + revocations() {
            Mutations.of(try statement(body).json.canonicalBytes, limit: 200) { bytes in
                guard let value = try? JSONValue.parse(bytes, limit: 100_000), let fields = try? JSONFields(value),
                    let read = try? Statement(fields), let again = try? JSONFields(read.json)
                else { return }
                #expect((try? Statement(again)) == read)
            }
        }
    }
}
