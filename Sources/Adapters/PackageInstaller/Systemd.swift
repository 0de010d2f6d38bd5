import MusterSystem

/// systemd by its `systemctl`; where systemd does not run there are no units.
public struct Systemd: UnitControlling {
    /// The folder that exists while systemd runs (sd_booted(3)).
    public static let sign = "/run/systemd/system"

    /// Whether systemd runs this machine.
    public static var isRunning: Bool { Directory.exists(sign) }

    private let systemctl: String
    private let sign: String

    /// The machine's own; tests name another.
    public init(systemctl: String = "/usr/bin/systemctl", sign: String = Systemd.sign) {
        self.systemctl = systemctl
        self.sign = sign
    }

    /// What `systemctl show` says.
    public func state(of unit: String) async throws(PackageError) -> UnitState? {
        guard Directory.exists(sign) else { return nil }
        let names = ["LoadState", "ActiveState", "NeedDaemonReload"] + Self.startProperties
        let result = try await run(["show", "--property=" + names.joined(separator: ","), "--", unit])
        guard result.succeeded else { throw error("ask for the state of \(unit)", result) }
        var values: [String: String] = [:]
        for line in result.outputText.split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            if parts.count == 2 { values[parts[0]] = parts[1] }
        }
        guard let active = values["ActiveState"], values["LoadState"] != "not-found" else { return nil }
        return UnitState(
            active: active,
            start: Self.startProperties.map { values[$0] ?? "" },
            isOutdated: values["NeedDaemonReload"] == "yes"
        )
    }

    /// Runs `systemctl restart`.
    public func restart(_ unit: String) async throws(PackageError) {
        let result = try await run(["restart", "--", unit])
        guard result.succeeded else { throw error("restart \(unit)", result) }
    }

    /// Runs `systemctl daemon-reload`.
    public func reload() async throws(PackageError) {
        let result = try await run(["daemon-reload"])
        guard result.succeeded else { throw error("reload the units", result) }
    }

    /// Each of these is another one after a restart.
    private static let startProperties = ["InvocationID", "MainPID", "ActiveEnterTimestampMonotonic"]

    private func run(_ arguments: [String]) async throws(PackageError) -> CommandResult {
        do throws(SystemError) {
            return try await Command(systemctl, ["--no-ask-password"] + arguments).run(timeout: .seconds(180))
        } catch {
            throw PackageError(.unavailable, "\(error)")
        }
    }

    private func error(_ attempt: String, _ result: CommandResult) -> PackageError {
        PackageError(
            .failed,
            "cannot \(attempt): systemctl \(result.endingText); it said: \(PackageManagerProgram.tail(of: result))"
        )
    }
}
