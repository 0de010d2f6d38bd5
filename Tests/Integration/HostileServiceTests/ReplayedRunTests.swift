import ByteCoding
import CanonicalJSON
import MusterModel
import MusterTestSupport
import Testing

/// Runs that were asked for once, and manifests that try to make more of them.
extension HostileServiceTests {
    @Test("run: replayed after it succeeded it is not run again")
    func runReplayed() async throws {
        try await HostileRunScenario.run(leaves: ["once"]) { scenario in
            let run = try await scenario.statement("once")
            try await scenario.send([run])
            try await scenario.expectWords(["once"])
            for sequence in Int64(101)..<104 {
                try await scenario.send([run], sequence: sequence)
                try await scenario.expectNothing(sequence: sequence)
            }
        }
    }

    @Test("run: replayed after the agent was killed and started again it is not run again")
    func runReplayedAfterRestart() async throws {
        try await HostileRunScenario.run(leaves: ["once"]) { scenario in
            let run = try await scenario.statement("once")
            try await scenario.send([run])
            try await scenario.expectWords(["once"])
            try await scenario.restart()
            try await scenario.send([run], sequence: 101)
            try await scenario.expectNothing(sequence: 101)
            try await scenario.restart()
            try await scenario.expectNothing()
        }
    }

    @Test("run: replayed under another entry of the manifest it is not run again")
    func runReplayedUnderAnotherName() async throws {
        try await HostileRunScenario.run(leaves: ["once"]) { scenario in
            let fleet = await scenario.service.fleet
            let run = try await scenario.statement("once")
            try await scenario.send([run])
            try await scenario.expectWords(["once"])
            let other = try fleet.statement(try fleet.login(), by: ["ada"], seed: "another id")
            try await scenario.send(entries: [(other.statement.id, run)], sequence: 101)
            try await scenario.expectNothing(sequence: 101)
        }
    }

    @Test("run: one that was cancelled while it ran, and is sent again, is not run again")
    func runReplayedAfterCancel() async throws {
        try await HostileRunScenario.run(leaves: ["lingers"]) { scenario in
            let run = try await scenario.statement("lingers", command: "linger")
            try await scenario.send([run])
            try await scenario.expectWords(["lingers"])
            try await scenario.send([], cancelled: [run.statement.id], sequence: 101)
            try await scenario.expectEnd(of: run)
            try await scenario.send([run], sequence: 102)
            try await scenario.expectNothing(sequence: 102)
        }
    }

    @Test("run: an extra one that is smuggled beside a valid one is refused, and the valid one runs")
    func runSmuggled() async throws {
        try await HostileRunScenario.run(leaves: ["valid"]) { scenario in
            var smuggled = try await scenario.statement("evil")
            let valid = try await scenario.statement("valid")
            smuggled.signatures = valid.signatures
            try await scenario.send([smuggled, valid])
            try await scenario.expectRefusal(of: smuggled, "is not over this statement")
            try await scenario.expectWords(["valid"])
        }
    }

    @Test("run: one statement under the id of another is refused")
    func runUnderAnotherID() async throws {
        try await HostileRunScenario.run { scenario in
            let other = try await scenario.honest()
            let evil = try await scenario.statement("evil", by: ["eve"])
            try await scenario.send(entries: [(other.statement.id, evil)])
            try await scenario.expectNothing(sequence: 100)
        }
    }

    @Test("run: too many runs in one manifest, or a list that makes no sense, are refused as a whole")
    func malformedRuns() async throws {
        try await HostileRunScenario.run { scenario in
            var many: [SignedStatement] = []
            for index in 0..<65 {
                let word = "evil" + String(repeating: "l", count: index)
                many.append(try await scenario.statement(word))
            }
            try await scenario.send(many, sequence: 100)
            try await scenario.expectHold("is not an update manifest")
        }
        let lists: [JSONValue] = [
            "none", ["none"], [[:]], [["run": "x"]], .array([JSONValue](repeating: .null, count: 1000)),
            [["run": "00000000000000000000000000000000", "statement": ["signed": [:], "signatures": []]]],
        ]
        for list in lists {
            try await HostileRunScenario.run { scenario in
                try await scenario.send(runsMember: list)
                try await scenario.expectHold("is not an update manifest")
            }
        }
    }

    @Test("run: endless runs in one manifest are cut off")
    func endlessRuns() async throws {
        try await HostileRunScenario.run { scenario in
            await scenario.service.hijack { request in
                request.path == "/v1/node/manifest"
                    ? .init(200, .endless([UInt8](repeating: 0x5B, count: 262_144))) : nil
            }
            try await scenario.expectHold("")
            await scenario.service.hijack { _ in nil }
        }
    }

    @Test("run: manifests full of runs that nobody signed, good for ever, leave nothing on the node's disk")
    func unsignedFlood() async throws {
        try await HostileRunScenario.run { scenario in
            for round in Int64(0)..<3 {
                var flood: [SignedStatement] = []
                for index in 0..<60 {
                    let command = index % 2 == 0 ? "mark" : "linger"
                    let word = "evil" + String(repeating: "l", count: Int(round) * 60 + index)
                    var statement = try await scenario.statement(word, command: command, lifetime: 200_000_000_000)
                    if index % 3 != 0 { statement.signatures = [] }
                    flood.append(statement)
                }
                try await scenario.send(flood, sequence: 100 + round)
                for statement in flood { try await scenario.expectRefusal(of: statement, "") }
                #expect(scenario.keptRuns == 0)
            }
            try await scenario.restart()
            try await scenario.expectNothing()
            #expect(scenario.keptRuns == 0)
        }
    }

    @Test("run: the manifest of another node is refused")
    func runInAnotherNodesManifest() async throws {
        try await HostileRunScenario.run { scenario in
            let fleet = await scenario.service.fleet
            let manifest = try fleet.manifest(
                for: try #require(NodeID("node-elsewhere")),
                sequence: 100,
                runs: [try await scenario.statement()]
            )
            await scenario.service.send(sequence: 100, manifest)
            try await scenario.expectHold("is for node node-elsewhere")
        }
    }

    @Test("run: an old manifest that is sent again is refused")
    func runInAnOldManifest() async throws {
        try await HostileRunScenario.run { scenario in
            try await scenario.send([], sequence: 100)
            try await scenario.expectNothing(sequence: 100)
            let fleet = await scenario.service.fleet
            let old = try fleet.manifest(
                for: scenario.service.node,
                sequence: 99,
                runs: [try await scenario.statement()]
            )
            await scenario.service.send(sequence: 99, old)
            try await scenario.expectHold("is not newer than")
        }
    }

    @Test("run: a manifest signed by another of the service's keys, or by a clock far ahead, is refused")
    func runInAWrongManifest() async throws {
        try await HostileRunScenario.run { scenario in
            var fleet = await scenario.service.fleet
            let run = try await scenario.statement()
            let wrong = try fleet.manifest(
                for: scenario.service.node,
                sequence: 100,
                runs: [run],
                signedBy: fleet.snapshotKey
            )
            await scenario.service.send(sequence: 100, wrong)
            try await scenario.expectHold("is not signed by")
            fleet.time = fleet.time.adding(seconds: 86400)
            let ahead = try fleet.manifest(for: scenario.service.node, sequence: 101, runs: [run])
            await scenario.service.send(sequence: 101, ahead)
            try await scenario.expectHold("compare the clocks")
        }
    }
}
