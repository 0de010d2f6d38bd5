import Glibc
import MusterModel

/// What the agent weighs: the static, stripped binary on disk, and resident while it waits in its long poll.
struct AgentBenchmark {
    let folder: String
    let binaries: String

    func figure() async throws -> Figure {
        let program = binaries + "/muster-agent-static"
        guard access(program, X_OK) == 0 else {
            return Figure(
                name: "agent-footprint",
                value: nil,
                unit: "MB resident",
                goal: Self.goal,
                met: nil,
                note: "\(program) is missing: packaging/bench builds it with packaging/static"
            )
        }
        var status = stat()
        stat(program, &status)
        let disk = Double(status.st_size) / 1e6
        let fleet = try await BenchFleet(folder: folder, binaries: binaries)
        defer { fleet.stop() }
        try BenchFleet.write(try fleet.token(uses: 1).line + "\n", folder + "/token")
        let state = ["--state-dir", folder + "/agent"]
        _ = try Child.run(
            [program, "enroll", "--service", fleet.address, "--token-file", folder + "/token", "--name", "bench"]
                + state,
            output: folder + "/enroll.log"
        )
        let agent = try Child([program, "serve", "--no-ssh"] + state, output: folder + "/agent.log")
        defer { agent.stop() }
        try await Task.sleep(for: .seconds(8))
        let memory = try Self.memory(of: agent.pid)
        return Figure(
            name: "agent-footprint",
            value: memory.resident,
            unit: "MB resident",
            goal: Self.goal,
            met: memory.resident < 25 && memory.anonymous < 4 && disk < 32,
            note: "private \(Self.tenths(memory.anonymous)) MB (what no file backs), on disk \(Self.tenths(disk)) MB"
        )
    }

    private static let goal = "under 25 MB resident, of which under 4 MB private; under 32 MB on disk"

    private static func tenths(_ value: Double) -> String { String((value * 10).rounded() / 10) }

    /// Private is what no file backs: a binary's own pages count as private too while nobody else runs it, but can be dropped.
    private static func memory(of pid: pid_t) throws -> (resident: Double, anonymous: Double) {
        var sizes: [Substring: Double] = [:]
        for line in try Child.read("/proc/\(pid)/smaps_rollup").split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 3, let kibibytes = Double(words[1]) { sizes[words[0]] = kibibytes * 1024 / 1e6 }
        }
        return (sizes["Rss:"] ?? 0, sizes["Anonymous:"] ?? 0)
    }
}
