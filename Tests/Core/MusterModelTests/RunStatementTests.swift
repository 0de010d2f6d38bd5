import ByteCoding
import CanonicalJSON
import MusterModel
import MusterTestSupport
import Testing

@Suite("Run statements")
struct RunStatementTests {
    static func body() throws -> RunBody {
        let unit = try #require(ParameterName("unit"))
        let hidden = try #require(ParameterName("hidden"))
        let node = try #require(NodeID("n2"))
        return RunBody(
            command: try #require(CommandName("restart")),
            definition: ApprovedCommand(
                argv: ["/usr/bin/systemctl", "restart", "{unit}"],
                parameters: [
                    unit: CommandParameter(.text(ValuePattern("nginx|php-fpm"))),
                    hidden: CommandParameter(.text(ValuePattern(".+")), isSecret: true),
                ],
                user: try #require(AccountName("root")),
                environmentAllow: ["DEBUG"],
                input: "{hidden}"
            ),
            arguments: [unit: ["nginx"]],
            sealed: [hidden: [node: Array(repeating: 7, count: 60)]],
            environment: ["DEBUG": "1"],
            nodes: [node, try #require(NodeID("n1")), node],
            selector: "tag:web",
            notBefore: UTCTime(seconds: 1_800_000_000),
            fanOut: RunBody.FanOut(concurrency: 3, batch: 2, maximumFailures: 0),
            reason: "new certificate"
        )
    }

    static func statement(_ body: RunBody) throws -> Statement {
        Statement(
            fleet: try #require(FleetID(String(repeating: "ab", count: 32))),
            id: try #require(StatementID(String(repeating: "cd", count: 16))),
            requester: try #require(OperatorName("ada")),
            issued: UTCTime(seconds: 1_799_999_000),
            expires: UTCTime(seconds: 1_800_003_600),
            body: .run(body)
        )
    }

    @Test("are read as they were written, their nodes sorted and each named once")
    func roundTrip() throws {
        let statement = try Self.statement(try Self.body())
        let again = try Statement(JSONFields(try JSONValue.parse(statement.json.canonicalBytes, limit: 100_000)))
        #expect(again == statement)
        #expect(again.type.namespace == "run@muster")
        guard case .run(let body) = again.body else { return #expect(Bool(false), "another type") }
        #expect(body.nodes.map(\.text) == ["n1", "n2"])
        #expect(try body.resolve().argv == ["/usr/bin/systemctl", "restart", "nginx"])
    }

    @Test("that name nodes unsorted, twice, or not at all are refused")
    func nodes() throws {
        guard case .object(let object) = try Self.statement(try Self.body()).json else { return }
        for nodes: JSONValue in [["n2", "n1"], ["n1", "n1"], [], ["N1"], .null] {
            var other = object
            other["nodes"] = nodes
            #expect(throws: JSONError.self) { try Statement(JSONFields(.object(other))) }
        }
    }

    @Test("with a member changed or dropped never read as the same request")
    func members() throws {
        let statement = try Self.statement(try Self.body())
        guard case .object(let object) = statement.json else { return }
        for key in object.keys {
            var other = object
            other[key] = nil
            let read = try? Statement(JSONFields(.object(other)))
            #expect(read != statement, "without '\(key)'")
        }
    }

    @Test("never crash a reader, however they are damaged")
    func fuzz() throws {
        let bytes = try Self.statement(try Self.body()).json.canonicalBytes
        Mutations.of(bytes, count: 2000) { damaged in
            guard let value = try? JSONValue.parse(damaged, limit: 100_000), let fields = try? JSONFields(value),
                let statement = try? Statement(fields), case .run(let body) = statement.body
            else { return }
            _ = try? body.resolve()
        }
    }

    @Test("a manifest without runs has the bytes it always had")
    func oldManifest() throws {
        let fleet = try #require(FleetID(String(repeating: "ab", count: 32)))
        let manifest = UpdateManifest(
            fleet: fleet,
            node: try #require(NodeID("n1")),
            sequence: 7,
            issued: UTCTime(seconds: 1_800_000_000),
            expires: UTCTime(seconds: 1_800_000_900),
            timestampVersion: 12,
            assignments: [],
            tags: []
        )
        let text = """
            {"_type":"update-manifest","assignments":[],"expires":"2027-01-15T08:15:00Z","fleet":"\(fleet)",\
            "issued":"2027-01-15T08:00:00Z","node":"n1","runs":[],"sequence":7,"tags":[],"timestamp_version":12}
            """
        #expect(String(decoding: manifest.json.canonicalBytes, as: UTF8.self) == text)
    }
}
