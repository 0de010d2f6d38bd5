import ByteCoding
import Glibc
import MusterModel
import MusterSystem

/// One process from its start to the end of everything that it leaves behind.
struct SupervisedProcess {
    /// Why a process is ended.
    private enum Stop {
        case timeout
        case cancelled
        /// Somebody told the supervisor to end, by this signal.
        case told(Int32)
        /// The process itself has ended, and its group has not.
        case leftovers
    }

    /// How often the cancel file is looked for, in milliseconds.
    private static let tick: Int64 = 200
    /// How often a look is taken at what is being ended, in milliseconds.
    private static let endTick: Int64 = 30
    /// How long processes may take to go after KILL, in milliseconds.
    private static let patience: Int64 = 5000

    private let plan: RunPlan
    private let folder: RunFolder
    private let child: ChildProcess
    private let signals: SignalQueue
    private var streams: SupervisedStreams
    private let started: UTCTime
    private var stop: Stop?
    private var killAt: Int64 = .max
    private var giveUpAt: Int64 = .max
    private var left = 0

    init(
        _ plan: RunPlan,
        _ folder: RunFolder,
        _ child: ChildProcess,
        _ streams: SupervisedStreams,
        _ signals: SignalQueue,
        started: UTCTime
    ) {
        self.plan = plan
        self.folder = folder
        self.child = child
        self.streams = streams
        self.signals = signals
        self.started = started
    }

    /// Looks after the process until it and its group have ended.
    mutating func finish() -> RunResult {
        let deadline = MonotonicClock.milliseconds() + plan.timeout
        while true {
            let now = MonotonicClock.milliseconds()
            takeSignals()
            let hasEnded = child.ending != nil
            if hasEnded ? isAllGone(now) : now >= giveUpAt { break }
            decide(now, deadline, hasEnded)
            let next = stop == nil ? min(deadline, now + Self.tick) : now + Self.endTick
            // An ended process makes its descriptor readable for ever: only its streams are waited for then.
            streams.wait(for: hasEnded ? [signals.file] : [signals.file, child.end], milliseconds: next - now)
        }
        if child.ending == nil { left = others().count + 1 }
        let milliseconds = streams.elapsed
        streams.drain()
        return result(milliseconds)
    }

    private mutating func takeSignals() {
        while let signal = signals.next() {
            if signal == SIGCHLD { continue }
            if stop == nil { begin(.told(signal)) }
        }
        Subreaper.reap(except: child.id)
    }

    private mutating func decide(_ now: Int64, _ deadline: Int64, _ hasEnded: Bool) {
        if stop == nil {
            if hasEnded {
                begin(.leftovers)
            } else if now >= deadline {
                begin(.timeout)
            } else if Directory.exists(folder.cancel) {
                begin(.cancelled)
            }
        } else if now >= killAt {
            if giveUpAt == .max { giveUpAt = now + Self.patience }
            send(SIGKILL)
        }
    }

    private mutating func begin(_ reason: Stop) {
        stop = reason
        killAt = MonotonicClock.milliseconds() + plan.grace
        send(SIGTERM)
    }

    /// To the group; and to every descendant, unless only what the process left behind is tidied up.
    private func send(_ signal: Int32) {
        child.signalGroup(signal)
        for entry in others() where entry.group != child.id { kill(entry.id, signal) }
    }

    /// What is still to be ended besides the process itself.
    private func others() -> [ProcessTable.Entry] {
        let found = ProcessTable().descendants(of: ProcessTable.ownID)
        let isTidying = if case .leftovers = stop { true } else { stop == nil }
        return found.filter { entry in
            entry.id != child.id && !entry.isEnded && (!isTidying || entry.group == child.id)
        }
    }

    private mutating func isAllGone(_ now: Int64) -> Bool {
        let rest = others()
        if rest.isEmpty { return true }
        guard now >= giveUpAt else { return false }
        left = rest.count
        return true
    }

    private func result(_ milliseconds: Int64) -> RunResult {
        let ending: RunResult.Ending =
            switch child.ending {
            case .exited(let code): .exited(code & 0xFF)
            case .signalled(let signal): .signalled(signal)
            case nil: .signalled(SIGKILL)
            }
        var isTimeout = false
        var isCancelled = false
        var notes: [String] = []
        switch stop {
        case .timeout: isTimeout = true
        case .cancelled: isCancelled = true
        case .told(let signal):
            notes.append("its supervisor was told to end by signal \(signal), as when the node shuts down")
        case .leftovers: notes.append("processes that it left behind in its group were ended")
        case nil: break
        }
        if let failure = streams.log.failure { notes.append("output is missing: \(failure)") }
        if left > 0 { notes.append("\(left) processes could not be ended") }
        return RunResult(
            ending: ending,
            timedOut: isTimeout,
            cancelled: isCancelled,
            truncated: streams.log.isTruncated,
            outputBytes: streams.log.count,
            started: started,
            milliseconds: milliseconds,
            note: notes.joined(separator: "; ").bounded(2048)
        )
    }
}
