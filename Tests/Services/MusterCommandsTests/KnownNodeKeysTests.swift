import CanonicalJSON
import MusterAPI
import MusterModel
import MusterTestSupport
import SignatureVerification
import Testing

@testable import MusterCommands

/// Which node keys a person believes.
@Suite
struct KnownNodeKeysTests {
    private let fleet: FleetID

    init() throws { fleet = try #require(FleetID(digest: Digest.sha256([1]))) }

    private func step(_ old: String, _ new: String, _ node: NodeID, signer: String? = nil) -> NodeKeySuccession {
        let (oldKey, newKey) = (TestKey(old).publicKey, TestKey(new).publicKey)
        let proof = NodeKeyRequest.proof(fleet: fleet, node: node, oldKey: oldKey, newKey: newKey).canonicalBytes
        return NodeKeySuccession(oldKey: oldKey, newKey: newKey, signature: TestKey(signer ?? old).sign(proof))
    }

    @Test("a key is believed along any chain of signatures that begins with the known one, and along no other")
    func chains() throws {
        let node = try #require(NodeID("node-web-1"))
        var known = KnownNodeKeys()
        func judge(_ key: String, _ steps: [NodeKeySuccession]) -> KnownNodeKeys.Judgement {
            known.judge(TestKey(key).publicKey, of: node, fleet: fleet, successions: steps)
        }
        #expect(judge("a", []) == .new)
        try known.note(TestKey("a").publicKey, of: node)
        #expect(judge("a", []) == .known)
        let changed = KnownNodeKeys.Judgement.changed(from: TestKey("a").publicKey)
        #expect(judge("d", []) == changed)
        // An offer that came to nothing (a to x) stands beside the way that was gone.
        let way = [step("a", "x", node), step("a", "b", node), step("b", "c", node), step("c", "d", node)]
        #expect(judge("d", way) == .succeeded)
        #expect(judge("d", way.reversed()) == .succeeded)
        for missing in 1..<4 {
            var broken = way
            broken.remove(at: missing)
            #expect(judge("d", broken) == changed)
        }
        #expect(judge("d", [step("b", "d", node)]) == changed)
        #expect(judge("d", [step("a", "d", node, signer: "d")]) == changed)
        let other = try #require(NodeID("node-web-2"))
        #expect(judge("d", [step("a", "d", other)]) == changed)
        #expect(judge("d", [step("a", "b", node), step("b", "a", node)]) == changed)
    }

    @Test("the first key of a node is that of its id, or follows that one; else it is foreign")
    func first() throws {
        let node = try #require(NodeID(joiningWith: TestKey("a").publicKey))
        let known = KnownNodeKeys()
        func judge(_ key: String, _ steps: [NodeKeySuccession]) -> KnownNodeKeys.Judgement {
            known.judge(TestKey(key).publicKey, of: node, fleet: fleet, successions: steps)
        }
        #expect(judge("a", []) == .new)
        #expect(judge("thief", []) == .foreign)
        let way = [step("a", "b", node), step("b", "c", node)]
        #expect(judge("c", way.reversed()) == .new)
        #expect(judge("c", [way[1]]) == .foreign)
        #expect(judge("thief", way) == .foreign)
        #expect(judge("thief", [step("a", "thief", node, signer: "thief")]) == .foreign)
        let other = try #require(NodeID(joiningWith: TestKey("thief").publicKey))
        #expect(judge("thief", [step("a", "thief", other)]) == .foreign)
    }

    @Test("a chain as long as any that is shown is a stranger's where it no longer begins with the key of the id")
    func cut() throws {
        let node = try #require(NodeID(joiningWith: TestKey("0").publicKey))
        let known = KnownNodeKeys()
        func judge(_ key: Int, _ steps: [NodeKeySuccession]) -> KnownNodeKeys.Judgement {
            known.judge(TestKey("\(key)").publicKey, of: node, fleet: fleet, successions: steps)
        }
        let limit = NodeKeySuccession.limit
        let way = (0...limit).map { step("\($0)", "\($0 + 1)", node) }
        let (last, shown) = (limit + 1, Array(way.dropFirst()))
        #expect(shown.count == limit)
        #expect(judge(last, shown) == .cut)
        #expect(judge(last, shown.reversed()) == .cut)
        // An offer that came to nothing.
        #expect(judge(last, Array(shown.dropFirst()) + [step("5", "offer", node)]) == .cut)
        #expect(judge(last, Array(shown.dropFirst())) == .foreign)
        #expect(judge(limit, Array(way.dropLast())) == .new)
        // The key of the id is there, and no way leads on from it.
        #expect(judge(last, shown + [step("0", "offer", node)]) == .foreign)

        let other = try #require(NodeID(joiningWith: TestKey("1").publicKey))
        for wrong in [step("7", "8", node, signer: "8"), step("7", "8", other), step("x", "y", node)] {
            var broken = shown
            broken[6] = wrong
            #expect(judge(last, broken) == .foreign)
        }
        #expect(judge(last + 1, shown) == .foreign)

        // Once a secret was sealed, only the known key or what follows it counts.
        var met = known
        try met.note(TestKey("thief").publicKey, of: node)
        let judgement = met.judge(TestKey("\(last)").publicKey, of: node, fleet: fleet, successions: shown)
        #expect(judgement == .changed(from: TestKey("thief").publicKey))
    }
}
