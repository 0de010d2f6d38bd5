import CanonicalJSON
import Glibc
import MusterTestSupport
import Testing

/// The oldest released agent, built from its tag by `packaging/oldest-agent`, in a fleet of today's other programs.
@Suite("The oldest released agent")
struct OldestAgentTests {
    private static let variable = "MUSTER_OLDEST_AGENT"
    private static let program = getenv(variable).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }

    @Test(
        "joins, takes an upgrade, and puts one back that does not work",
        .enabled(
            if: program != nil,
            "built on request: agent=$(packaging/oldest-agent) && \(variable)=$agent packaging/test --filter OldestAgentTests"
        )
    )
    func upgrades() async throws {
        let old = try #require(Self.program)
        var placement = FleetPlacement()
        placement.command = { _, program, arguments in
            (program.hasSuffix("/muster-agent") ? old : program, arguments)
        }
        try await FleetFixture.run(placement: placement) { fleet in
            try await fleet.addNodes(["web-1"])
            for (version, health, status) in [("1.0", "exit 0", Int32(0)), ("2.0", "exit 1", 1)] {
                let file = try await fleet.build(TestPackage("muster-probe", version))
                let check = ["--health-command", "/bin/sh -c '\(health)'"]
                try await fleet.muster(["release", "add", file] + check + fleet.passphrase)
                let start = ["rollout", "start", "muster-probe", version, "--on", "tag:web", "--stages", "100%"]
                try await fleet.muster(start + ["--bake", "0s", "--yes", "--watch"], status: status)
                #expect(try await fleet.installed("muster-probe", on: "web-1") == "1.0")
            }
        }
    }
}
