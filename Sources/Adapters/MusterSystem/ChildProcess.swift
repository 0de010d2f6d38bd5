import CLinux
import Glibc

/// A child in a process group of its own, started as another user and within limits.
///
/// For programs with one thread that look after one child, such as the supervisor of a run; see `Command` for others.
public struct ChildProcess: Sendable {
    /// What to start.
    public struct Plan: Sendable {
        /// The program's absolute path, then its arguments.
        public var words: [String]
        /// The whole environment.
        public var environment: [String]
        /// Folder to start in, entered as the user.
        public var directory: String
        /// Whom to become; nil stays who we are.
        public var user: UserAccount?
        /// What becomes descriptors 0, 1, and so on; nothing else is open in the child.
        public var descriptors: [OpenFile]
        /// Resource limits, hard and soft alike, by `RLIMIT_…`.
        public var limits: [(resource: Int32, value: UInt64)] = []
        /// Permissions that new files do not get.
        public var creationMask: UInt32 = 0o022

        /// A plan.
        public init(
            words: [String],
            environment: [String],
            directory: String,
            user: UserAccount?,
            descriptors: [OpenFile]
        ) {
            self.words = words
            self.environment = environment
            self.directory = directory
            self.user = user
            self.descriptors = descriptors
        }
    }

    /// Its process id, which is also that of its group; ours until we reap it.
    public let id: Int32
    /// Readable once it has ended.
    public let end: OpenFile

    /// How it ended.
    public enum Ending: Equatable, Sendable {
        /// By `exit` with this code.
        case exited(Int32)
        /// By this signal.
        case signalled(Int32)
    }

    /// Starts it; it gets KILL if we end first.
    public init(_ plan: Plan) throws(SystemError) {
        var process: pid_t = 0
        let failure = Self.start(plan, &process)
        if let failure { throw failure }
        let watched = clinux_pidfd_open(process)
        guard watched >= 0 else {
            let error = SystemError("watch", plan.words.first ?? "", errno: errno)
            kill(-process, SIGKILL)
            while waitpid(process, nil, 0) == -1, errno == EINTR {}
            throw error
        }
        id = process
        end = OpenFile(descriptor: watched, path: plan.words.first ?? "")
    }

    /// How it ended, nil while it runs; it is not reaped, so its id stays its own.
    public var ending: Ending? {
        var code: Int32 = 0
        var signal: Int32 = 0
        guard clinux_peek_exit(id, &code, &signal) == 0 else { return nil }
        return signal == 0 ? .exited(code) : .signalled(signal)
    }

    /// Sends a signal to its whole group.
    public func signalGroup(_ number: Int32) {
        kill(-id, number)
    }

    private static func start(_ plan: Plan, _ process: inout pid_t) -> SystemError? {
        let limits = plan.limits.map { clinux_limit(resource: $0.resource, value: $0.value) }
        let descriptors = plan.descriptors.map(\.descriptor)
        let groups = plan.user?.groups ?? []
        var step: UnsafePointer<CChar>?
        var started: pid_t = 0
        let code = withCStrings(plan.words) { words in
            withCStrings(plan.environment) { environment in
                withCStrings([plan.directory]) { directory in
                    descriptors.withUnsafeBufferPointer { descriptors in
                        groups.withUnsafeBufferPointer { groups in
                            limits.withUnsafeBufferPointer { limits in
                                var what = clinux_process()
                                what.executable = UnsafePointer(words[0])
                                what.arguments = words
                                what.environment = environment
                                what.working_directory = UnsafePointer(directory[0])
                                what.descriptors = descriptors.baseAddress
                                what.descriptor_count = descriptors.count
                                what.changes_user = plan.user == nil ? 0 : 1
                                what.user = plan.user?.id ?? 0
                                what.group = plan.user?.group ?? 0
                                what.groups = groups.baseAddress
                                what.group_count = groups.count
                                what.creation_mask = plan.creationMask
                                what.limits = limits.baseAddress
                                what.limit_count = limits.count
                                what.parent_end_signal = SIGKILL
                                return clinux_start(&what, &started, &step)
                            }
                        }
                    }
                }
            }
        }
        process = started
        guard code != 0 else { return nil }
        let subject = step.map { String(cString: $0) } ?? "start"
        return SystemError(subject, plan.words.first ?? "", errno: code)
    }
}
