import Glibc

/// Becoming another program: our process goes on as that one, at the same terminal and with the same id.
public enum ProgramReplacement {
    /// Runs `executable` in our place; returns only where that fails.
    ///
    /// The program gets standard input, output and errors, and nothing else that is open here, and signals as a program
    /// gets them from a shell: the threads that run our code block some and ignore others.
    public static func run(
        _ executable: String,
        _ arguments: [String],
        environment: [String: String]
    ) throws(SystemError) -> Never {
        for descriptor in Int32(3)..<1024 {
            let flags = fcntl(descriptor, F_GETFD)
            if flags >= 0 { _ = fcntl(descriptor, F_SETFD, flags | FD_CLOEXEC) }
        }
        signal(SIGPIPE, SIG_DFL)
        var none = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, nil)
        withCStrings([executable] + arguments) { arguments in
            withCStrings(environment.map { "\($0.key)=\($0.value)" }.sorted()) { environment in
                _ = execve(executable, arguments, environment)
            }
        }
        throw SystemError("start", executable, errno: errno)
    }
}
