import AgentTestSupport
import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterTestSupport
import PackageInstaller
import Testing

@testable import MusterAgent

/// Fast-forward and recovery: a thief of the manifest key tells a node a sequence that nothing honest ever reaches.
@Suite("fast-forward and recovery", .timeLimit(.minutes(60)))
struct FastForwardTests {
    @Test("a node told the highest sequence by a stolen key works again once the fleet has replaced the key")
    func recovers() async throws {
        try await withNode { node in
            let path = try await node.release(TestPackage("probe", "1.0"))
            let highest = UpdateManifest.sequenceLimit
            let stolen = try node.fleet.manifest(for: TestAgent.node, sequence: highest, [])
            try TestAgent.service(node.folder.path).offer(stolen, sequence: highest)
            #expect(try await node.turn() == nil)
            // Under the stolen key nothing is new any more.
            let lost = try node.assign(path, seed: "a")
            #expect(try await node.turn() == nil)
            #expect(try node.outcome(lost) == nil)
            #expect(try await node.installed() == .absent)
            node.fleet.manifestKey = TestKey("the next manifest key")
            node.fleet.targetsVersion += 1
            try node.fleet.publishReleases()
            try node.serve()
            let rollout = try node.assign(path, seed: "b")
            #expect(try await node.turn() == nil)
            #expect(try node.outcome(rollout)?.state == .confirmed)
            #expect(try await node.installed() == .installed(version: "1.0"))
            // The stolen key itself is worth nothing afterwards, and the new sequence counts.
            try TestAgent.service(node.folder.path).offer(stolen, sequence: highest)
            #expect(try await node.turn()?.contains("is not signed by") == true)
            let old = try node.fleet.manifest(for: TestAgent.node, sequence: 1, [])
            try TestAgent.service(node.folder.path).offer(old, sequence: highest)
            #expect(try await node.turn()?.contains("is not newer than") == true)
        }
    }

    @Test("a sequence that leaves no room above it makes the manifest none")
    func absurd() async throws {
        try await withNode { node in
            for sequence in [UpdateManifest.sequenceLimit + 1, Int64.max] {
                let manifest = try node.fleet.manifest(for: TestAgent.node, sequence: sequence, [])
                try TestAgent.service(node.folder.path).offer(manifest, sequence: sequence)
                #expect(try await node.turn()?.contains("not an update manifest") == true)
            }
            let rollout = try node.assign(try await node.release(TestPackage("probe", "1.0")), seed: "a")
            #expect(try await node.turn() == nil)
            #expect(try node.outcome(rollout)?.state == .confirmed)
        }
    }

    @Test("the sequence counts under the keys of its time; a file of an older agent keeps it and takes on the keys")
    func memory() throws {
        var memory = try Self.memory(sequence: 7)
        #expect(memory.sequenceKeys == nil && memory.sequence(under: nil) == 7 && memory.sequence(under: ["a"]) == 7)
        memory.follow(["a"])
        #expect(memory.sequence == 7 && memory.sequenceKeys == ["a"])
        #expect(try NodeMemory(try JSONFields(memory.json)) == memory)
        memory.follow(["a"])
        #expect(memory.sequence == 7)
        #expect(memory.sequence(under: ["a", "b"]) == 0 && memory.sequence(under: nil) == 7)
        memory.follow(["b"])
        #expect(memory.sequence == 0 && memory.sequenceKeys == ["b"])
        // An agent before the limit may have taken anything.
        #expect(try Self.memory(sequence: .max).sequence(under: ["a"]) == 0)
    }

    private static func memory(sequence: Int64) throws -> NodeMemory {
        let json: JSONValue = [
            "sequence": .integer(sequence), "tags": [], "tags_issued": 0, "queue": [], "installed": [],
            "progress": [],
        ]
        return try NodeMemory(try JSONFields(json))
    }
}
