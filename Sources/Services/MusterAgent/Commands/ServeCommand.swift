import ArgumentParser
import ByteCoding
import Logging
import MusterClient
import MusterLog
import MusterSystem
import UnixSignals

/// `muster-agent serve`: does the node's work until it is told to end.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Report to the fleet service and carry out what operators signed."
    )

    @OptionGroup var state: StateOptions
    @OptionGroup var ssh: SSHArguments

    @Option(help: "Configuration of this node; may be missing.")
    var config = AgentConfiguration.usual

    @Option(help: "Root of the package manager's database and files, instead of the configured one.")
    var root: String?

    @Option(help: "PEM file of certificate authorities to believe instead of the system's.")
    var caFile: String?

    @Flag(help: "Do what there is to do now, then end.")
    var once = false

    @Option(help: "Least serious messages to write: debug, info, notice, warning, error.")
    var logLevel = "info"

    func run() async throws {
        guard let level = Logger.Level(rawValue: logLevel) else { throw ValidationError("unknown --log-level") }
        let logger = Self.logger(level)
        let paths = state.paths
        WatcherLauncher.usual.resume(paths)
        guard let enrollment = try Enrollment.load(paths) else {
            throw EnrollmentError("this node has not joined a fleet: run 'muster-agent enroll' first")
        }
        let lock = try await Self.lock(paths.lock)
        defer { withExtendedLifetime(lock) {} }
        var configuration = try AgentConfiguration.load(config)
        if let root { configuration.root = root }
        ssh.apply(to: &configuration.ssh)
        let transport = try HTTPTransport(HTTPTransport.Options(trustRootsFile: caFile))
        var assembly = AgentAssembly(paths: paths, configuration: configuration, logger: logger)
        if once { assembly.limits.wait = 0 }
        let agent = try await assembly.agent(enrollment, transport: transport)
        if once {
            do throws(FleetServiceError) {
                try await agent.once()
            } catch {
                throw FleetServiceError(error.message.harmless)
            }
        } else {
            await Self.serve(agent)
        }
        await transport.close()
    }

    /// Lets the agent work until somebody asks the program to end.
    private static func serve(_ agent: Agent) async {
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let work = Task { await agent.run() }
        for await _ in signals { break }
        work.cancel()
        await work.value
    }

    /// Tries for a second: `status` looks at the lock by taking it for a moment.
    private static func lock(_ path: String) async throws -> FileLock {
        for _ in 0..<10 {
            if let lock = try FileLock.tryAcquire(path) { return lock }
            try await Task.sleep(for: .milliseconds(100))
        }
        return try FileLock.acquire(path)
    }

    /// The log of the agent, on standard error.
    static func logger(_ level: Logger.Level) -> Logger {
        var logger = Logger(label: "muster-agent") { OneLineLog(StreamLogHandler.standardError(label: $0)) }
        logger.logLevel = level
        return logger
    }
}
