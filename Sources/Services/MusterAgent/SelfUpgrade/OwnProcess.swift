import Glibc
import MusterSystem

/// This very process, as far as it matters for who may speak for a new version.
struct OwnProcess: Sendable {
    /// The boot it was started in.
    let boot: String
    /// When it was started, in milliseconds since that boot, up to one tick of its clock late.
    let started: Int64

    /// Ours.
    static var current: OwnProcess {
        let ticks = ProcessTable.entry(ProcessTable.ownID)?.started ?? 0
        let rate = max(1, Int64(sysconf(Int32(_SC_CLK_TCK))))
        return OwnProcess(boot: HostFacts.bootID(), started: (Int64(clamping: ticks) + 1) * 1000 / rate)
    }

    /// Whether it was started after the restart that the watcher ordered last.
    func isRestarted(_ progress: WatchProgress) -> Bool {
        progress.hasRestarted && (boot != progress.boot || started >= progress.since)
    }

    /// Whether another file has taken the place of the program that runs.
    static var isReplaced: Bool {
        var status = stat()
        return stat("/proc/self/exe", &status) == 0 && status.st_nlink == 0
    }
}
