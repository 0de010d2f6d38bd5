/// A step of a run on this node; its name says what is on the disk from then on.
public enum RunStep: String, Sendable, CaseIterable {
    /// The run is in the queue.
    case accepted
    /// Its id is used up.
    case used
    /// Its record says that a supervisor is being started.
    case starting
    /// The supervisor was started: not on the disk, the supervisor's files say it.
    case launched
    /// Its record says how it ended.
    case ended
    /// Its record says that the service has the outcome.
    case delivered
}

/// Called after each step of a run.
public typealias RunObserver = @Sendable (RunStep) -> Void
