import ByteCoding
import CanonicalJSON
import MusterModel
import MusterTestSupport
import MusterTrust
import Testing

/// A run that was altered anywhere runs nothing: by one bit at each of its bytes, and at random.
@Suite struct AlteredRunTests {
    private let fixture: RunFixture

    init() throws {
        fixture = try RunFixture()
    }

    private func honest() throws -> SignedStatement {
        var body = try fixture.fleet.run(
            "restart-web",
            ["unit": ["nginx"]],
            on: [fixture.node, fixture.other],
            environment: ["DEBUG": "1"],
            notBefore: fixture.time.adding(seconds: -60)
        )
        body.selector = "tag:web"
        body.reason = "certificate renewed"
        body.fanOut = RunBody.FanOut(concurrency: 10, batch: 2, maximumFailures: 1)
        return try fixture.fleet.statement(.run(body), by: ["ben", "cat"])
    }

    @Test("altered by one bit, at each byte of the statement and its signatures")
    func everyByte() async throws {
        let signed = try honest()
        #expect(try fixture.verify(signed).run != nil)
        let bytes = signed.json.canonicalBytes
        var read = 0
        for index in bytes.indices {
            // Other tests wait for programs and clocks on the same few threads.
            await Task.yield()
            for bit in 0..<8 {
                var altered = bytes
                altered[index] ^= 1 << UInt8(bit)
                guard let value = try? JSONValue.parse(altered, limit: bytes.count),
                    let statement = try? RunFixture.parsed(value)
                else { continue }
                read += 1
                let verdict = try fixture.verify(statement)
                #expect(verdict.refusal != nil, "byte \(index), bit \(bit): \(verdict)")
            }
        }
        // Most alterations are refused only by the signatures.
        #expect(read > 1000, "\(read) alterations were statements still")
    }

    @Test("every member taken away, renamed, or replaced")
    func everyMember() throws {
        let signed = try honest()
        guard case .object(let members) = signed.signed else { return }
        let values: [JSONValue] = [nil, true, 0, "", "x", [], [:], ["x"], ["x": "y"]].map { $0 ?? .null }
        var read = 0
        for name in members.keys {
            for value in values + [.null] {
                let altered = try? RunFixture.altered(signed) { $0[name] = value }
                guard let altered, altered.signed != signed.signed else { continue }
                read += 1
                #expect(try fixture.verify(altered).refusal != nil, "\(name): \(value)")
            }
            if let without = try? RunFixture.altered(signed, { $0[name] = nil }) {
                #expect(try fixture.verify(without).refusal != nil, "without \(name)")
            }
        }
        #expect(read > 0)
        let more = try RunFixture.altered(signed) { $0["more"] = 1 }
        #expect(try fixture.verify(more).refusal?.code == .requesterSignatureMissing)
    }

    @Test("random damage crashes nothing and runs nothing else than what was signed")
    func randomDamage() throws {
        let signed = try honest()
        let command = try #require(try fixture.verify(signed).run).command
        let bytes = signed.json.canonicalBytes
        var read = 0
        try Mutations.of(bytes, seed: 5, count: 4000, limit: 1500) { damaged in
            guard let value = try? JSONValue.parse(damaged, limit: SignedStatement.byteLimit),
                let statement = try? RunFixture.parsed(value)
            else { return }
            read += 1
            let verdict = try fixture.verify(statement)
            // A damaged signature beside enough good ones, or damage that leaves the same object, harms nobody.
            if let run = verdict.run {
                #expect(statement.signedBytes == signed.signedBytes)
                #expect(run.command == command)
            }
        }
        #expect(read > 100, "\(read) damaged ones were statements still")
    }

    @Test("signatures: taken away, doubled, exchanged for those of another run, they never add up")
    func signatures() throws {
        let signed = try honest()
        let other = try fixture.fleet.statement(
            .run(fixture.fleet.run("restart-web", ["unit": ["php-fpm"]], on: [fixture.node])),
            by: ["ben", "cat", "ada"],
            seed: "other"
        )
        func verdict(_ signatures: [[UInt8]]) throws -> RunVerdict {
            var changed = signed
            changed.signatures = signatures
            return try fixture.verify(changed)
        }
        let (ben, cat) = (signed.signatures[0], signed.signatures[1])
        #expect(try verdict([cat, ben]).run != nil)
        #expect(try verdict([]).refusal?.code == .requesterSignatureMissing)
        #expect(try verdict([cat]).refusal?.code == .requesterSignatureMissing)
        #expect(try verdict([ben]).refusal?.code == .approvalsMissing)
        #expect(try verdict([ben, ben, ben]).refusal?.code == .approvalsMissing)
        #expect(try verdict([ben] + other.signatures).refusal?.code == .approvalsMissing)
        #expect(try verdict(other.signatures).refusal?.code == .requesterSignatureMissing)
        #expect(try verdict([cat] + other.signatures).refusal?.code == .requesterSignatureMissing)
    }
}
