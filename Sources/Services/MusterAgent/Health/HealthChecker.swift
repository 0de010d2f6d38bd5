import ByteCoding
import MusterClient
import MusterModel
import MusterSystem

/// What came of health checks.
public enum HealthResult: Equatable, Sendable {
    /// All of them passed.
    case passed
    /// All that could be asked passed; what could not, and why.
    case passedAsFar([String])
    /// One did not; which, and what it said.
    case failed(String)
}

/// Runs health checks.
public protocol HealthChecking: Sendable {
    /// Runs the checks one after the other, until one has failed in all its attempts or all have passed.
    func run(_ checks: [HealthCheck]) async -> HealthResult
}

/// Runs health checks against this machine.
public struct HealthChecker: HealthChecking {
    private let root: String
    private let transport: HTTPTransport
    private let units: UnitProbe
    private let clock: AgentClock

    /// Checks of a node whose packages are below `root`.
    public init(root: String, transport: HTTPTransport, units: UnitProbe = UnitProbe(), clock: AgentClock) {
        self.root = root
        self.transport = transport
        self.units = units
        self.clock = clock
    }

    /// Runs the checks in order.
    public func run(_ checks: [HealthCheck]) async -> HealthResult {
        var unasked: [String] = []
        for check in checks {
            if case .unit(let name) = check.probe, !units.isThere {
                unasked.append("unit \(name) was not asked for: systemd does not run this machine")
                continue
            }
            if let reason = await failure(of: check) { return .failed(reason) }
        }
        return unasked.isEmpty ? .passed : .passedAsFar(unasked)
    }

    /// Why the check failed in its last attempt; nil where one passed.
    private func failure(of check: HealthCheck) async -> String? {
        var reason = ""
        for attempt in 1...max(1, check.attempts) {
            if attempt > 1, (try? await clock.sleep(.seconds(1))) == nil { return reason }
            guard let failed = await attemptFailure(check) else { return nil }
            reason = failed
        }
        return "\(reason) (\(max(1, check.attempts)) attempts)"
    }

    private func attemptFailure(_ check: HealthCheck) async -> String? {
        switch check.probe {
        case .command(let arguments): await commandFailure(arguments, seconds: check.timeoutSeconds)
        case .tcp(let host, let port): await tcpFailure(host, port, seconds: check.timeoutSeconds)
        case .http(let url): await httpFailure(url, seconds: check.timeoutSeconds)
        case .unit(let name): await units.failure(name, seconds: check.timeoutSeconds, clock: clock)
        case .unknown(let members):
            "the check '\(HealthCheck.kind(of: members).bounded(200))' is not known to this agent"
        }
    }

    private func commandFailure(_ arguments: [String], seconds: Int) async -> String? {
        guard let name = arguments.first else { return "an empty command" }
        guard let program = Self.program(name) else { return "command \(name) is not there" }
        var environment = Command.plainEnvironment
        environment["MUSTER_ROOT"] = root
        let command = Command(program, Array(arguments.dropFirst()), environment: environment)
        do throws(SystemError) {
            let result = try await command.run(timeout: .seconds(seconds), grace: .seconds(1), outputLimit: 4096)
            if result.succeeded { return nil }
            let said = (result.outputText + result.errorText).split(separator: "\n").suffix(3).joined(separator: "; ")
            return "command \(name) \(result.endingText)" + (said.isEmpty ? "" : ": \(said.bounded(500))")
        } catch {
            return "\(error)"
        }
    }

    private func tcpFailure(_ host: String, _ port: Int, seconds: Int) async -> String? {
        do throws(SystemError) {
            try await TCPProbe.connect(host: host, port: UInt16(clamping: port), timeout: .seconds(seconds))
            return nil
        } catch {
            return "\(error)"
        }
    }

    private func httpFailure(_ url: String, seconds: Int) async -> String? {
        do {
            let stream = try await transport.open(HTTPRequest(url, seconds: Int64(seconds)))
            return (200...299).contains(stream.status) ? nil : "\(url) answers with status \(stream.status)"
        } catch {
            return "\(url) does not answer: \(error)"
        }
    }

    /// The program's path: as given, or in the first system folder that has it.
    private static func program(_ name: String) -> String? {
        if name.hasPrefix("/") { return Directory.exists(name) ? name : nil }
        guard !name.contains("/") else { return nil }
        return Command.find(name, path: Command.plainEnvironment["PATH"] ?? "")
    }
}
