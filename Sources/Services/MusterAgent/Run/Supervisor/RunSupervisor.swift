// The supervisor of one run: `muster-agent supervise-run DIR`, a process of its own for each.
//
// Parties: the agent starts it and hands it the plan through standard input; from then on neither needs the other, so the
// agent may be killed or upgraded while the process goes on. Everything it has to say is in the run's folder (`RunFolder`).
// It is small and does one thing: no network, no trust, no configuration. Whether the run is allowed was decided before,
// and its id is used up: where anything here fails before the start, nothing ever runs.

import ByteCoding
import CanonicalJSON
import Glibc
import MusterModel
import MusterSystem

/// Starts one process, looks after it, and writes down how it ended.
public enum RunSupervisor {
    /// Its word on the command line; hidden, since only the agent has what belongs on its standard input.
    public static let word = "supervise-run"

    /// Does the work where the command line is ours; nil where it is any other.
    public static func quickly(_ arguments: [String]) -> Int32? {
        guard arguments.count == 3, arguments[1] == word else { return nil }
        return supervise(RunFolder(arguments[2]))
    }

    private static func supervise(_ folder: RunFolder) -> Int32 {
        signal(SIGPIPE, SIG_IGN)
        // A limit on file sizes is a full disk like any other.
        signal(SIGXFSZ, SIG_IGN)
        Subreaper.hideMemory()
        _ = setsid()
        do throws(SystemError) {
            guard let lock = try FileLock.tryAcquire(folder.lock) else {
                throw SystemError("supervise", folder.path, because: "another supervisor does")
            }
            defer { withExtendedLifetime(lock) {} }
            guard !Directory.exists(folder.result) else {
                throw SystemError("supervise", folder.path, because: "the run has ended already")
            }
            guard !Directory.exists(folder.started) else {
                throw SystemError("supervise", folder.path, because: "another supervisor did")
            }
            try work(folder)
            return 0
        } catch {
            complain("\(error)")
            return 1
        }
    }

    private static func work(_ folder: RunFolder) throws(SystemError) {
        let result = try ReservedFile(folder.result, size: RunOutcome.byteLimit)
        let outcome: RunOutcome
        do throws(SystemError) {
            outcome = try run(try plan(), folder)
        } catch {
            outcome = RunOutcome(.notStarted, "\(error)", at: WallClock.now())
        }
        try result.write(outcome.json.jsonBytes)
    }

    private static func plan() throws(SystemError) -> RunPlan {
        let bytes = try StandardInput.read(limit: RunPlan.byteLimit)
        do throws(ByteReaderError) {
            return try RunPlan(bytes)
        } catch {
            throw SystemError("understand", "the plan of the run", because: "\(error)")
        }
    }

    private static func run(_ plan: RunPlan, _ folder: RunFolder) throws(SystemError) -> RunOutcome {
        guard let user = try UserAccount.find(plan.user) else {
            throw SystemError("become user", plan.user, because: "this machine has no such user")
        }
        guard user.isWithinReach else {
            throw SystemError("become user", plan.user, because: "the agent does not run as root")
        }
        let signals = try SignalQueue([SIGCHLD, SIGTERM, SIGINT, SIGHUP])
        try Subreaper.begin()
        let log = try OutputLog(folder.output, limit: plan.outputLimit)
        let output = try Pipe()
        let errors = try Pipe()
        let input = try Pipe()
        let nothing = try OpenFile("/dev/null")
        var what = ChildProcess.Plan(
            words: plan.words,
            environment: try environment(plan, user),
            directory: plan.directory,
            user: geteuid() == 0 ? user : nil,
            descriptors: [plan.input == nil ? nothing : input.readEnd, output.writeEnd, errors.writeEnd]
        )
        what.limits = [(Int32(RLIMIT_CORE.rawValue), 0)]
        let started = WallClock.now()
        guard !Directory.exists(folder.cancel) else {
            return RunOutcome(.cancelled, "taken back before it started; nothing ran", at: started)
        }
        // From here on nobody can tell any more that nothing ran.
        try StateFile.store(SupervisorStart.own(at: started).json, folder.started)
        let child = try ChildProcess(what)
        what.descriptors = []
        let sink = input.keepWriteEnd()
        let streams = SupervisedStreams(
            output: output.keepReadEnd(),
            errors: errors.keepReadEnd(),
            input: plan.input == nil ? nil : sink,
            pending: plan.input ?? [],
            secrets: plan.secrets,
            log: log
        )
        var process = SupervisedProcess(plan, folder, child, streams, signals, started: started)
        return RunOutcome(process.finish(), at: WallClock.now())
    }

    /// What every process gets, then what the command says, and last what says which run it is.
    private static func environment(_ plan: RunPlan, _ user: UserAccount) throws(SystemError) -> [String] {
        var variables = [
            "PATH": Command.plainEnvironment["PATH"] ?? "/usr/bin:/bin", "HOME": user.home, "USER": user.name,
            "LOGNAME": user.name, "SHELL": "/bin/sh",
        ]
        for entry in plan.environment {
            guard let (name, value) = entry.split(atFirst: UInt8(ascii: "=")), EnvironmentVariable.isName(name) else {
                throw SystemError("understand", "the plan of the run", because: "a variable has no name")
            }
            variables[name] = value
        }
        variables["MUSTER_RUN"] = plan.run
        return variables.map { "\($0.key)=\($0.value)" }.sorted()
    }

    private static func complain(_ text: String) {
        let line = Array((text + "\n").utf8)
        _ = write(STDERR_FILENO, line, line.count)
    }
}
