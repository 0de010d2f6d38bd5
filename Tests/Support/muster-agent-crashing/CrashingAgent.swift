import AgentTestSupport
import ByteCoding
import Glibc
import Logging
import MusterAgent
import MusterClient
import MusterSystem
import Synchronization

/// An agent with bad luck, for crash tests and full disks; the shipped agent has no such thing.
///
/// `muster-agent-crashing FOLDER [PHASE [FAULT]]` does what there is to do for the node in FOLDER; as soon as PHASE is on the
/// disk it meets the `Fault`, by default a SIGKILL of its own. With `filling-disk` for PHASE it lives, and the file system of its downloads is filled
/// while a package is on its way: only for a file system of its own.
///
/// `muster-agent-crashing run FOLDER [STEP]` carries out what runs there are, and ends itself by SIGKILL as soon as STEP of any run is
/// done. It is its own supervisor of runs, as the shipped agent is.
///
/// `muster-agent-crashing rotate STATE ROOT STEP` is `muster-agent serve --once` for a node that joined a real service, and ends
/// itself by SIGKILL as soon as STEP of a rotation of its key is done.
@main
struct CrashingAgent {
    static func main() async throws {
        if let code = RunSupervisor.quickly(CommandLine.arguments) { exit(code) }
        let words = CommandLine.arguments.dropFirst()
        guard let folder = words.first else { exit(64) }
        if folder == "run" { return try await run(Array(words.dropFirst())) }
        if folder == "rotate" { return try await rotate(Array(words.dropFirst())) }
        let phase = words.dropFirst().first
        let fault = words.dropFirst(2).first.map { Fault(rawValue: $0) } ?? .kill
        guard let fault else { exit(64) }
        let skew = Mutex<Int64>(0)
        var clock = AgentClock.system
        clock.now = { WallClock.now().adding(seconds: skew.withLock { $0 }) }
        let downloads = TestAgent.paths(folder).downloads
        let source = FillingRepository(TestAgent.repository(folder), disk: downloads)
        let transport = try HTTPTransport()
        let node = try await TestAgent(
            folder,
            transport: transport,
            source: phase == "filling-disk" ? source : nil,
            clock: clock
        ) { reached in
            if reached.rawValue == phase { skew.withLock { $0 = fault.strike(folder, at: reached) } }
        }
        do {
            try await node.agent.once()
        } catch {
            print(error)
            exit(1)
        }
        await transport.close()
    }

    private static func run(_ words: [String]) async throws {
        guard let folder = words.first else { exit(64) }
        let step = words.dropFirst().first
        let transport = try HTTPTransport()
        let node = try await TestAgent(folder, transport: transport) { _ in
        } runObserver: { reached in
            if reached.rawValue == step { kill(getpid(), SIGKILL) }
        }
        let reason = await node.agent.turn()
        let undelivered = await node.runs.once()
        await transport.close()
        if let reason = reason ?? undelivered {
            print(reason)
            exit(1)
        }
    }

    private static func rotate(_ words: [String]) async throws {
        guard words.count == 3 else { exit(64) }
        let step = words[2]
        let paths = AgentPaths(words[0])
        guard let enrollment = try Enrollment.load(paths) else { exit(64) }
        var configuration = AgentConfiguration()
        configuration.root = words[1]
        let logger = Logger(label: "crashing") { StreamLogHandler.standardError(label: $0) }
        var assembly = AgentAssembly(paths: paths, configuration: configuration, logger: logger)
        assembly.limits.wait = 0
        assembly.keyObserver = { reached in
            if reached.rawValue == step { kill(getpid(), SIGKILL) }
        }
        let transport = try HTTPTransport()
        try await assembly.agent(enrollment, transport: transport).once()
        await transport.close()
    }
}
