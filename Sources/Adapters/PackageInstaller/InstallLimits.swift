/// How long things may take.
public struct InstallLimits: Sendable {
    /// For one run of a package manager with all scripts of the package.
    public var run: Duration = .seconds(1800)
    /// Between TERM and KILL.
    public var grace: Duration = .seconds(10)
    /// For waiting until another process gives the package manager free.
    public var lock: Duration = .seconds(120)
    /// The first wait for the lock; each further one is twice as long, 10 s at most.
    public var firstLockWait: Duration = .milliseconds(250)

    /// The limits for use.
    public init() {}

    /// Does `body` again, waiting longer each time, while it fails because another process holds the lock.
    func whileLocked<Value: Sendable>(
        _ body: () async throws(PackageError) -> Value
    ) async throws(PackageError) -> Value {
        let deadline = ContinuousClock.now + lock
        var wait = firstLockWait
        while true {
            do throws(PackageError) {
                return try await body()
            } catch {
                guard error.code == .locked, ContinuousClock.now + wait < deadline else { throw error }
                try? await Task.sleep(for: wait)
                if Task.isCancelled { throw error }
                wait = min(wait * 2, .seconds(10))
            }
        }
    }
}
