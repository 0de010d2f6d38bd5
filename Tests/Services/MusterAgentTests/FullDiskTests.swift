import AgentTestSupport
import MusterAPI
import MusterAgent
import MusterModel
import MusterSystem
import MusterTestSupport
import PackageInstaller
import Testing

/// A disk that fills up in the middle of a download: a small tmpfs in a mount namespace of the agent's own.
@Suite(.timeLimit(.minutes(60))) struct FullDiskTests {
    @Test(
        "no space left in the middle of a download: the node keeps what it has and says why, and later it installs",
        .enabled("needs root and mount namespaces") { await NodeFixture.mayMount() }
    )
    func fillsUp() async throws {
        try await withNode { node in
            var package = TestPackage("probe", "1.0")
            // The first digits of nothing in particular, so that compression does not make the package small.
            var generator = SeededGenerator(seed: 7)
            package.files["usr/share/probe/ballast"] = (0..<20000).map { _ in
                String(generator.next(), radix: 36)
            }.joined()
            let path = try await node.release(package)
            let bytes = try #require(node.fleet.packages[path])
            #expect(bytes.count > 50_000)
            let statement = try node.fleet.statement(.upgrade(try node.fleet.upgrade(to: path)), seed: "a")
            let rollout = statement.statement.id
            try node.offer([node.fleet.assignment(path, statement)])
            let downloads = TestAgent.paths(node.folder.path).downloads
            let script = "mount -t tmpfs -o size=20m tmpfs \"$1\" && exec \"$2\" \"$3\" filling-disk"
            let program = try BuiltProgram("muster-agent-crashing").path
            let words = ["--mount", "/bin/sh", "-c", script, "sh", downloads, program, node.folder.path]
            let ended = try await Command("/usr/bin/unshare", words).run(timeout: .seconds(240))
            #expect(ended.succeeded, "\(ended.outputText) \(ended.errorText)")
            let reasons = try TestAgent.service(node.folder.path).reports()
                .flatMap(\.progress).filter { $0.rollout == rollout }.map(\.reason)
            #expect(reasons.contains { $0.hasPrefix("cannot write") && $0.contains("no space left on device") })
            #expect(try node.outcome(rollout)?.state == .failed)
            #expect(try await node.installed() == .absent)
            try node.offer([node.fleet.assignment(path, statement)])
            #expect(try await node.turn() == nil)
            #expect(try node.outcome(rollout)?.state == .confirmed)
        }
    }
}
