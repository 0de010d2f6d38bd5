import ByteCoding
import MusterModel
import RemoteShell

/// What a node would say of a process that ended so, worked out from what its sshd said.
enum RunEnding {
    /// What `timeout` exits with when the time was over.
    private static let timedOut: Int32 = 124
    /// What it exits with, as every shell would, when it had to kill.
    private static let killed: Int32 = 128 + 9
    private static let signals: [String: Int32] = [
        "HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "BUS": 7, "FPE": 8, "KILL": 9, "USR1": 10,
        "SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15,
    ]

    /// The result; nil where the process's end was not seen.
    static func result(
        _ outcome: RemoteOutcome,
        started: UTCTime,
        milliseconds: Int64,
        timeoutSeconds: Int64
    ) -> RunResult? {
        guard let status = outcome.status else { return nil }
        // It counts from a moment later than we do, so it cannot end earlier.
        let isLate = milliseconds >= timeoutSeconds * 1000
        let ending: RunResult.Ending
        var timedOut = false
        switch status {
        case .exited(Self.timedOut) where isLate && outcome.stop == nil: (ending, timedOut) = (.signalled(15), true)
        case .exited(killed) where isLate && outcome.stop == nil: (ending, timedOut) = (.signalled(9), true)
        case .exited(let code) where (129...192).contains(code): ending = .signalled(code - 128)
        case .exited(let code): ending = .exited(min(max(code, 0), 255))
        case .signalled(let name): ending = .signalled(signals[name] ?? 128)
        }
        return RunResult(
            ending: ending,
            timedOut: timedOut,
            cancelled: outcome.stop == .cancelled,
            truncated: outcome.droppedBytes > 0,
            outputBytes: Int64(outcome.outputBytes),
            started: started,
            milliseconds: milliseconds
        )
    }

    /// Why the end was not seen.
    static func loss(_ outcome: RemoteOutcome) -> String {
        switch outcome.stop {
        case .disconnected(let reason): reason
        case .cancelled: "it was told to stop, and its end was not seen"
        case .timeout: "its end was not seen although its time is over"
        case nil: "its end was not seen"
        }
    }
}
