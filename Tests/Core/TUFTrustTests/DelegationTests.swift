import MusterTestSupport
import TUF
import TUFTrust
import Testing

/// A graph of delegations, and the order in which its roles are to be visited for a path that none describes.
struct DelegationGraph: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// Delegator, role, path patterns, terminating.
    let edges: [(String, String, [String], Bool)]
    let visited: [String]

    init(_ name: String, _ edges: [(String, String, [String], Bool)], visits visited: [String]) {
        testDescription = name
        self.edges = edges
        self.visited = visited
    }
}

@Suite struct DelegationTests {
    private static func edge(
        _ from: String,
        _ to: String,
        _ paths: [String] = ["*"],
        terminating: Bool = false
    ) -> (String, String, [String], Bool) { (from, to, paths, terminating) }

    private static func repository(_ edges: [(String, String, [String], Bool)]) throws -> RepositorySimulator {
        var repository = try RepositorySimulator()
        for (from, to, paths, terminating) in edges {
            repository.delegate(from: from, to: to, paths: paths, terminating: terminating)
        }
        for role in Set(edges.map(\.1)).sorted() { try repository.publish(role) }
        try repository.publishTargets("targets")
        return repository
    }

    private static let graphs = [
        DelegationGraph("one level", [edge("targets", "A"), edge("targets", "B")], visits: ["A", "B"]),
        DelegationGraph(
            "depth first",
            [edge("targets", "A"), edge("targets", "B"), edge("A", "C"), edge("A", "D")],
            visits: ["A", "C", "D", "B"]
        ),
        DelegationGraph(
            "terminating ends the search behind it",
            [edge("targets", "A"), edge("targets", "B"), edge("A", "C", terminating: true), edge("A", "D")],
            visits: ["A", "C"]
        ),
        DelegationGraph(
            "terminating still asks its own delegations",
            [edge("targets", "A"), edge("targets", "B"), edge("A", "C", terminating: true), edge("C", "D")],
            visits: ["A", "C", "D"]
        ),
        DelegationGraph(
            "branches that do not cover the path are not asked",
            [edge("targets", "A", ["*.py"]), edge("targets", "B"), edge("A", "C")],
            visits: ["B"]
        ),
        DelegationGraph(
            "cycles end",
            [edge("targets", "A"), edge("targets", "B"), edge("B", "C"), edge("C", "D"), edge("D", "B")],
            visits: ["A", "B", "C", "D"]
        ),
        DelegationGraph(
            "two roles delegating to a third",
            [edge("targets", "A"), edge("targets", "B"), edge("B", "C"), edge("A", "C", ["*.py"])],
            visits: ["A", "B", "C"]
        ),
        DelegationGraph("a role that delegates to itself", [edge("targets", "A"), edge("A", "A")], visits: ["A"]),
    ]

    @Test("roles are visited in pre-order", arguments: graphs)
    func order(graph: DelegationGraph) throws {
        var client = try TrustingClient.refreshed(try Self.repository(graph.edges))
        let (file, loaded) = try client.find("missing")
        #expect(file == nil)
        #expect(loaded == graph.visited)
    }

    @Test(
        "a file is trusted only along delegations that cover its path",
        arguments: [
            ("top", true), ("README.md", true), ("releases/x/x_v1", true), ("releases/y/y_v1.zip", true),
            ("releases/z/z_v1.zip", false),
        ]
    )
    func search(path: String, found: Bool) throws {
        var repository = try RepositorySimulator()
        repository.delegate(to: "A", paths: ["*.doc", "*.md"])
        repository.delegate(to: "B", paths: ["releases/*/*"])
        repository.delegate(from: "B", to: "C", paths: ["releases/x/*"])
        repository.delegate(from: "B", to: "D", paths: ["releases/y/*.zip"])
        repository.add("top", [1], to: "targets")
        repository.add("README.md", [2], to: "A")
        repository.add("releases/x/x_v1", [3], to: "C")
        repository.add("releases/y/y_v1.zip", [4], to: "D")
        repository.add("releases/z/z_v1.zip", [5], to: "D")
        for role in ["A", "B", "C", "D"] { try repository.publish(role) }
        try repository.publishTargets("targets")
        var client = try TrustingClient.refreshed(repository)
        #expect(try (client.find(path).file != nil) == found)
    }

    @Test("the first role in order wins where two describe a file")
    func preference() throws {
        var repository = try RepositorySimulator()
        for (role, content) in [("A", [UInt8](1...3)), ("B", [9])] {
            repository.delegate(to: role)
            repository.add("file", content, to: role)
            try repository.publish(role)
        }
        try repository.publishTargets("targets")
        var client = try TrustingClient.refreshed(repository)
        #expect(try client.find("file").file?.length == 3)
    }

    @Test("a delegated role that is already loaded is verified again for each delegator")
    func perDelegator() throws {
        var repository = try RepositorySimulator()
        repository.delegate(to: "A", paths: ["a*"])
        repository.delegate(to: "B", paths: ["b*"])
        repository.delegate(from: "A", to: "C", paths: ["*"])
        repository.delegate(from: "B", to: "C", paths: ["*"], keys: [TestKey("another C")])
        repository.add("a-file", [1], to: "C")
        repository.add("b-file", [2], to: "C")
        for role in ["A", "B", "C"] { try repository.publish(role) }
        try repository.publishTargets("targets")
        var client = try TrustingClient.refreshed(repository)
        #expect(try client.find("a-file").file != nil)
        #expect(throws: TUFTrustError.of(.threshold)) { try client.find("b-file") }
        #expect(try client.find("a-file").loaded.isEmpty)
    }

    @Test("a role signed for both delegators is loaded once")
    func bothDelegators() throws {
        var repository = try RepositorySimulator()
        repository.delegate(to: "A", paths: ["a*"])
        repository.delegate(to: "B", paths: ["b*"])
        repository.delegate(from: "A", to: "C")
        repository.delegate(from: "B", to: "C", keys: [TestKey("another C")])
        repository.signers["C"] = [TestKey("C"), TestKey("another C")]
        repository.add("b-file", [2], to: "C")
        for role in ["A", "B", "C"] { try repository.publish(role) }
        try repository.publishTargets("targets")
        var client = try TrustingClient.refreshed(repository)
        #expect(try client.find("a-file").loaded == ["A", "C"])
        let (file, loaded) = try client.find("b-file")
        #expect(file != nil)
        #expect(loaded == ["B"])
    }

    @Test("an expired delegated role is not used, and neither is what comes behind it")
    func expired() throws {
        var repository = try RepositorySimulator()
        repository.delegate(to: "A")
        repository.add("file", [1], to: "A")
        repository.expires["A"] = RepositorySimulator.day
        try repository.publish("A")
        try repository.publishTargets("targets")
        var client = try TrustingClient.refreshed(repository)
        #expect(throws: TUFTrustError.of(.expired)) { try client.find("file") }
        #expect(client.trusted.delegatedTargets("A") == nil)
    }

    @Test("no more than 32 delegations are followed")
    func tooMany() throws {
        let edges = (0..<40).map { Self.edge($0 == 0 ? "targets" : "r\($0 - 1)", "r\($0)") }
        var client = try TrustingClient.refreshed(try Self.repository(edges))
        #expect(throws: TUFTrustError.of(.tooManyDelegations)) { try client.find("missing") }
    }

    @Test("the keys of a role without metadata can be asked for")
    func roleKeys() throws {
        var repository = try RepositorySimulator()
        repository.delegate(to: "manifest", paths: ["manifests/*"])
        try repository.publishTargets("targets")
        let trusted = try TrustingClient.refreshed(repository).trusted
        let keys = try #require(trusted.roleKeys(delegated: "manifest"))
        #expect(keys.threshold == 1)
        #expect(Array(keys.keys.values) == [TestKey("manifest").tuf])
        #expect(trusted.roleKeys(delegated: "other") == nil)
    }

    @Test("hash bins: the bin of a path is asked, and only it")
    func hashBins() throws {
        var repository = try RepositorySimulator()
        let key = TestKey("bins")
        repository.keys["bins"] = [key]
        let bins = SuccinctRoles(
            keys: RoleKeys(keyIDs: [key.tuf.id], threshold: 1),
            bitLength: 4,
            namePrefix: "bin"
        )
        repository.bins["targets"] = bins
        let name = bins.name(for: "some/file")
        repository.add("some/file", [1, 2], to: name)
        for bin in UInt32(0)..<16 {
            repository.keys[bins.name(ofBin: bin)] = [key]
            try repository.publish(bins.name(ofBin: bin))
        }
        try repository.publishTargets("targets")
        var client = try TrustingClient.refreshed(repository)
        let (file, loaded) = try client.find("some/file")
        #expect(file?.length == 2)
        #expect(loaded == [name])
    }
}
