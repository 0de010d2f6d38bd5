import ByteCoding
import MusterSystem
import PackageInstaller

/// Asks systemd about units.
///
/// A unit that crashes and is started again is active at most moments: so it is asked for twice, a second apart, and must be
/// in one and the same invocation.
public struct UnitProbe: Sendable {
    /// The folder that is there where systemd runs the machine.
    private let sign: String
    /// The program that is asked.
    private let systemctl: String

    /// The machine's own systemd; tests name another.
    public init(sign: String = Systemd.sign, systemctl: String = "/usr/bin/systemctl") {
        self.sign = sign
        self.systemctl = systemctl
    }

    /// Whether systemd runs the machine.
    public var isThere: Bool { Directory.exists(sign) }

    /// Why the unit does not count as active; nil where it does.
    func failure(_ unit: String, seconds: Int, clock: AgentClock) async -> String? {
        let first: Answer
        do throws(SystemError) {
            first = try await ask(unit, seconds)
            guard first.state == "active" else { return "unit \(unit) is \(first.state)" }
            try? await clock.sleep(.seconds(1))
            let second = try await ask(unit, seconds)
            guard second.state == "active" else { return "unit \(unit) was active and then \(second.state)" }
            return second.invocation == first.invocation ? nil : "unit \(unit) was started again within a second"
        } catch {
            return "\(error)"
        }
    }

    private struct Answer {
        var state = "unknown"
        var invocation = ""
    }

    private func ask(_ unit: String, _ seconds: Int) async throws(SystemError) -> Answer {
        let words = ["show", "--property=ActiveState,InvocationID", "--", unit]
        let result = try await Command(systemctl, words).run(
            timeout: .seconds(seconds),
            grace: .seconds(1),
            outputLimit: 4096
        )
        guard result.succeeded else {
            let said = result.errorText.split(separator: "\n").first.map { ": \(String($0).bounded(300))" } ?? ""
            throw SystemError("ask systemd for", unit, because: "systemctl \(result.endingText)\(said)")
        }
        var answer = Answer()
        for line in result.outputText.split(separator: "\n") {
            if line.hasPrefix("ActiveState=") { answer.state = String(line.dropFirst("ActiveState=".count)) }
            if line.hasPrefix("InvocationID=") { answer.invocation = String(line.dropFirst("InvocationID=".count)) }
        }
        return answer
    }
}
